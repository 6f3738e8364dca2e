"""The loss of each stage's training, as a function of a batch of pairs."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..networks.stage1 import SiameseDistance, feature_distance
from ..networks.stage2 import MaskDecoder
from .labels import change_labels, shrink_codes
from .losses import contrastive_loss, map_dice_loss, mask_loss
from .presets import Preset
from .replay_buffer import Replay

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Background and frame, (N, H, W, 3) uint8 BGR, and their masks, (N, H, W) uint8 codes."""

BatchLoss = Callable[[Batch], Tensor]


def stage1_loss(stage1: SiameseDistance, preset: Preset) -> BatchLoss:
    """Returns the loss of the distance map, against the changes between the two masks."""

    def loss(batch: Batch) -> Tensor:
        background, frame, background_mask, frame_mask = batch
        # One batch of both, so that batch normalisation sees both sides alike.
        distance = feature_distance(*stage1.features(torch.cat([background, frame])).chunk(2))
        return _map_loss(distance, background_mask, frame_mask, preset)

    return loss


def joint_loss(stage1: SiameseDistance, stage2: MaskDecoder, preset: Preset) -> BatchLoss:
    """Returns the loss of map and mask together, for networks whose stage 2 sees more of stage 1 than its map."""

    def loss(batch: Batch) -> Tensor:
        background, frame, background_mask, frame_mask = batch
        background_features, features = stage1.features(torch.cat([background, frame])).chunk(2)
        found = stage1.compare(features, background_features)
        of_map = _map_loss(found.distance, background_mask, frame_mask, preset)
        logits = stage2(frame, found.distance, found.context)
        return preset.map_weight * of_map + mask_loss(logits, frame_mask, preset.mask_dice)

    return loss


def _map_loss(distance: Tensor, background_mask: Tensor, frame_mask: Tensor, preset: Preset) -> Tensor:
    labels, valid = change_labels(shrink_codes(background_mask), shrink_codes(frame_mask))
    contrast = contrastive_loss(distance, labels, valid, preset.loss)
    return contrast + preset.map_dice * map_dice_loss(distance, labels, valid)


def stage2_loss(stage1: SiameseDistance, stage2: MaskDecoder, preset: Preset, *, compiled: bool = False) -> BatchLoss:
    """Returns the loss of the mask, against the frame's mask, with a frozen stage 1.

    A batch smaller than the preset's is filled up with earlier pairs.

    Args:
        stage1: Computes the maps.
        stage2: The network to train.
        preset: The weights of the losses.
        compiled: Whether torch compiles both. Stage 1's own training is never compiled: the backward pass of its
            pooling and normalisation would be slow.
    """
    features, masks, replay = stage1.features, stage2.forward, Replay(preset.batch)
    if compiled:
        features, masks = torch.compile(features), torch.compile(masks)

    def loss(batch: Batch) -> Tensor:
        background, frame, _, frame_mask = batch
        with torch.no_grad():
            distance = feature_distance(*features(torch.cat([background, frame])).chunk(2))
        frame, distance, frame_mask = replay.fill((frame, distance, frame_mask))
        return mask_loss(masks(frame, distance, None), frame_mask, preset.mask_dice)

    return loss
