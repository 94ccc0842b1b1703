"""The four objects of 3D Shapes as convex meshes, lit at their corners as the original renderer lit them.

The real images show it: outlines are polygons, light runs linearly across each facet, and a highlight that is
switched on at one corner and off at the next fades between them. 28 slices and 16 stacks fit; 24 or 32 do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Light: TypeAlias = Callable[[Floats, Floats], Floats]
"""Light at points [..., 3] with normals [..., 3]: diffuse and specular, [..., 2]."""

SLICES, STACKS = 28, 16

RAYS_AT_ONCE = 512
"""So that rays against all facets stay in the processor's cache."""


@dataclass(frozen=True)
class Mesh:
    """A convex solid of P flat facets, each a quadrangle (or a triangle, with two corners in one)."""

    normals: Floats
    """Of the facets, outwards: [P, 3]."""
    offsets: Floats
    """Facet p lies in the plane normals[p] . x = offsets[p]: [P]."""
    corners: Floats
    """[P, 2, 2, 3]: the first axis is across the facet, the second along it."""
    corner_normals: Floats
    """[P, 2, 2, 3]: those of the smooth surface that the mesh stands for."""

    def hit(self, origin: Floats, rays: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Where `rays` [R, 3] from an `origin` [3] outside enter: distances [R] and facets [R].

        Distances are in lengths of the ray, infinite where it misses.
        """
        heights = self.offsets - self.normals @ origin  # below 0 for the facets that the origin sees
        inverse = (self.normals / heights[:, None]).T  # rays @ inverse is 1 / distance to each plane
        seen = np.flatnonzero(heights < 0)
        front, back = inverse[:, seen], inverse[:, heights >= 0]
        distances, facets = np.full(len(rays), np.inf), np.zeros(len(rays), dtype=np.int64)
        for start in range(0, len(rays), RAYS_AT_ONCE):
            block = slice(start, start + RAYS_AT_ONCE)
            entries = rays[block] @ front
            facet = entries.argmin(axis=1)  # a ray enters a convex solid through the last plane that faces it
            nearest = np.take_along_axis(entries, facet[:, None], axis=1)[:, 0]
            hits = (nearest > 0) & (nearest > (rays[block] @ back).max(axis=1))
            np.divide(1, nearest, out=distances[block], where=hits)
            facets[block] = seen[facet]
        return distances, facets

    def lit(self, points: Floats, facets: NDArray[np.int64], light: Light) -> Floats:
        """Light [R, 2] at `points` [R, 3] on `facets` [R]: that of the facet's corners, interpolated."""
        at_corners = light(self.corners, self.corner_normals)[facets]  # [R, 2, 2, 2]
        (low_left, high_left), (low_right, high_right) = self.corners[facets].transpose(1, 2, 0, 3)
        low, high = (low_left + low_right) / 2, (high_left + high_right) / 2
        rise = high - low
        along = np.clip(((points - low) * rise).sum(1) / (rise * rise).sum(1), 0, 1)[:, None]
        left = low_left + along * (high_left - low_left)
        width = low_right + along * (high_right - low_right) - left
        squared = (width * width).sum(1)
        across = ((points - left) * width).sum(1) / np.maximum(squared, 1e-12)
        across = np.clip(across, 0, 1)[:, None]
        edges = at_corners[:, :, 0] + along[:, None] * (at_corners[:, :, 1] - at_corners[:, :, 0])
        mixed: Floats = edges[:, 0] + across * (edges[:, 1] - edges[:, 0])
        return mixed


def solid(shape: str, scale: float) -> Mesh:
    """The object called `shape`, upright on the floor at the origin. Lengths are fitted to real images."""
    if shape == "cube":
        return _box(0.3985 * scale, 0.7995 * scale)
    if shape == "cylinder":
        radius, height = 0.4262 * scale, 0.856 * scale
        side = ((radius, 0.0), (radius, height)), ((1.0, 0.0), (1.0, 0.0))
        top = ((radius, height), (0.0, height)), ((0.0, 1.0), (0.0, 1.0))
        return _turned([side, top])
    if shape == "sphere":
        return _turned(_ball(0.484 * scale, 0.0))
    if shape == "capsule":
        radius, height = 0.3691 * scale, 1.4814 * scale
        between = height - 2 * radius
        side = ((radius, radius), (radius, radius + between)), ((1.0, 0.0), (1.0, 0.0))
        return _turned([*_ball(radius, between), side])
    raise ValueError(f"no solid for shape {shape!r}: cube, cylinder, sphere or capsule")


Segment: TypeAlias = tuple[
    tuple[tuple[float, float], tuple[float, float]], tuple[tuple[float, float], tuple[float, float]]
]
"""Two ends (radius, height) of a piece of a profile, and the two normals (outwards, upwards) there."""


def _ball(radius: float, gap: float) -> list[Segment]:
    """The profile of a ball on the floor whose upper half is lifted by `gap`."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, STACKS + 1)
    segments: list[Segment] = []
    for number, (low, high) in enumerate(pairwise(angles)):
        centre = radius + (gap if number >= STACKS // 2 else 0.0)
        (r0, z0), (r1, z1) = ((float(np.cos(a)), float(np.sin(a))) for a in (low, high))
        ends = (radius * r0, centre + radius * z0), (radius * r1, centre + radius * z1)
        segments.append((ends, ((r0, z0), (r1, z1))))
    return segments


def _turned(profile: list[Segment]) -> Mesh:
    """Turn a profile around the z axis in flat slices; the first corner lies on the x axis."""
    ends, end_normals = (np.array([segment[part] for segment in profile]) for part in (0, 1))  # [S, 2, 2]
    edges = 2 * np.pi * np.arange(SLICES) / SLICES
    middles = edges + np.pi / SLICES
    angles = np.stack([edges, edges + 2 * np.pi / SLICES], axis=1)  # [SLICES, 2]

    def around(outwards_upwards: Floats) -> Floats:
        """[S, 2, 2] to [S * SLICES, 2, 2, 3]."""
        outwards, upwards = outwards_upwards[:, None, None, :, 0], outwards_upwards[:, None, None, :, 1]
        angle = angles[None, :, :, None]
        parts = np.broadcast_arrays(outwards * np.cos(angle), outwards * np.sin(angle), upwards)
        return np.stack(parts, axis=-1).reshape(-1, 2, 2, 3)

    inwards = np.cos(np.pi / SLICES)  # the middle of a slice is nearer to the axis than its edges
    run, rise = ((ends[:, 1] - ends[:, 0]) * [inwards, 1]).T
    outwards, upwards = np.array([rise, -run]) / np.hypot(rise, run)
    normals = np.stack(
        np.broadcast_arrays(
            outwards[:, None] * np.cos(middles), outwards[:, None] * np.sin(middles), upwards[:, None]
        ),
        axis=-1,
    ).reshape(-1, 3)
    offsets = np.repeat(outwards * ends[:, 0, 0] * inwards + upwards * ends[:, 0, 1], SLICES)
    return Mesh(normals, offsets, around(ends), around(end_normals))


def _box(half: float, height: float) -> Mesh:
    """Four sides and a top."""
    turns = [np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    side = np.array([[[half, -half, 0], [half, -half, height]], [[half, half, 0], [half, half, height]]])
    top = np.array(
        [[[-half, -half, height], [-half, half, height]], [[half, -half, height], [half, half, height]]]
    )
    corners = np.stack([*(side @ turn.T for turn in turns), top])
    normals = np.stack([*(turn @ [1.0, 0, 0] for turn in turns), np.array([0.0, 0, 1])])
    offsets = np.array([half, half, half, half, height])
    return Mesh(normals, offsets, corners, np.broadcast_to(normals[:, None, None], corners.shape))
