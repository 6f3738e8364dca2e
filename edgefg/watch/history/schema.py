"""The tables of a store.

Events have the order in which they were written (``seq``), which no clock can change; times are seconds since 1970.
A motion is one row: its end is filled in when it comes. Names are numbers, so that a million rows stay small. ``hours``
sums motion up, so that a year is quickly drawn.
"""

APPLICATION_ID = 0x65666773
SCHEMA = 1
FILE_NAME = "events.db"
PAGE_BYTES = 4096
HOUR_S = 3600.0

KINDS = ("motion", "camera_state", "scene", "background_set", "background_frozen", "background_thawed")
"""What `EventFilter.kind` can ask for; ``motion`` is both ends of a motion."""

TABLES = """
CREATE TABLE cameras (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE places (camera INTEGER NOT NULL, zone INTEGER NOT NULL, PRIMARY KEY (camera, zone)) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    camera INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    zone INTEGER,
    at_s REAL NOT NULL,
    end_s REAL,
    area REAL,
    clip TEXT,
    written_s REAL NOT NULL,
    details TEXT
);
CREATE INDEX events_by_time ON events (at_s);
CREATE INDEX events_by_kind ON events (kind, at_s);
CREATE INDEX events_by_zone ON events (zone, at_s);
CREATE INDEX events_by_camera ON events (camera, at_s);
CREATE INDEX events_by_camera_and_kind ON events (camera, kind, at_s);
CREATE INDEX events_by_camera_and_zone ON events (camera, zone, at_s);
CREATE INDEX unended_events ON events (camera) WHERE end_s IS NULL;
CREATE TABLE hours (
    camera INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    motions INTEGER NOT NULL,
    moving_s REAL NOT NULL,
    PRIMARY KEY (camera, zone, hour)
) WITHOUT ROWID;
CREATE TABLE states (
    seq INTEGER PRIMARY KEY,
    camera INTEGER NOT NULL,
    live INTEGER NOT NULL,
    state TEXT NOT NULL,
    from_s REAL NOT NULL,
    to_s REAL NOT NULL
);
CREATE INDEX states_by_camera ON states (camera, to_s);
"""
