"""The scene of 3D Shapes: a room, a camera that circles the object in its middle, a lamp and a headlight.

Everything here is fitted to real images published in notebooks and papers; see `docs/datasets.md`. Lengths are
in the scene's own unit: the floor is z = 0, the object stands at the origin, the room turns with neither.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .shapes3d_pattern import pattern
from .shapes3d_solids import Floats, Mesh

SIZE = 64
SAMPLES = 3
"""Rays along each side of a pixel."""

SKY_COLOUR = np.array([153, 226, 249]) / 255

CAMERA_DISTANCE, CAMERA_HEIGHT, FOCAL_PIXELS = 2.8435, 0.8572, 68.62

# Floor, left wall, right wall, back wall, as planes normal . x = offset; behind the camera there is none.
ROOM_NORMALS = np.array([[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, -1, 0]])
ROOM_OFFSETS = np.array([0, -4.0, -4.0, -4.005])
WALL_HEIGHT = 2.2835
PATTERN_PERIOD = 16 / 7
"""The pattern comes three and a half times along a wall."""

LAMP = np.array([-1.6871, 0.4696, 8.5965])
LAMP_AXIS = np.array([-0.0044, 0.0062, -1.0])
LAMP_DIFFUSE, LAMP_SPECULAR, LAMP_EXPONENT = 0.9468, 0.150, 10
HIGHLIGHT_FROM = 0.01
"""Where the cosine between normal and lamp is at least this there is a highlight, of the same strength all over."""
HEADLIGHT = 0.5856
AMBIENT_FLOOR, AMBIENT_WALL, AMBIENT_OBJECT, IN_SHADOW = 0.3535, 0.3475, 0.3625, 0.3425


class View(NamedTuple):
    """The room without its object from one side: R = 192 * 192 rays, row by row."""

    eye: Floats
    """[3]."""
    forwards: Floats
    """[3], of length 1."""
    rays: Floats
    """[R, 3], one unit forwards each."""
    distances: Floats
    """[R], in lengths of the ray; infinite where the sky is."""
    is_floor: NDArray[np.bool_]
    """[R]."""
    brightness: Floats
    """[R], of floor and walls in light."""
    shaded: Floats
    """[R], of the floor in shadow."""


class Scene(NamedTuple):
    """What R rays meet; no ray is in two of the masks, and one in none of them meets the sky."""

    is_floor: NDArray[np.bool_]
    is_wall: NDArray[np.bool_]
    is_object: NDArray[np.bool_]
    brightness: Floats
    """[R], the factor on the surface's own colour, 0 for the sky."""
    highlight: Floats
    """[R], white on top of that."""


def empty_room(degrees: float) -> View:
    """The room as the camera sees it from orientation `degrees`."""
    turn = -np.deg2rad(degrees)
    forwards = np.array([np.sin(turn), np.cos(turn), 0])
    rightwards = np.array([np.cos(turn), -np.sin(turn), 0])
    eye = -CAMERA_DISTANCE * forwards + [0, 0, CAMERA_HEIGHT]
    steps = ((np.arange(SIZE * SAMPLES) + 0.5) / SAMPLES - SIZE / 2) / FOCAL_PIXELS
    down, right = (grid.reshape(-1, 1) for grid in np.meshgrid(steps, steps, indexing="ij"))
    rays = forwards + right * rightwards - down * np.array([0, 0, 1])

    towards = rays @ ROOM_NORMALS.T
    distances = np.full(towards.shape, np.inf)
    np.divide(ROOM_OFFSETS - ROOM_NORMALS @ eye, towards, out=distances, where=towards < 0)
    reaches = np.isfinite(distances[:, 1:])
    heights = eye[2] + np.where(reaches, distances[:, 1:], 0) * rays[:, 2:]
    distances[:, 1:][(heights < 0) | (heights > WALL_HEIGHT)] = np.inf
    plane, nearest = distances.argmin(axis=1), distances.min(axis=1)
    is_sky = np.isinf(nearest)
    points = eye + np.where(is_sky, 0, nearest)[:, None] * rays

    x, y, z = points.T
    across = np.choose(plane, [0.0, 4.005 + y, 4.005 - y, 4.0 + x]) / PATTERN_PERIOD
    on_wall = pattern(across, z / PATTERN_PERIOD)
    on_floor = pattern(1.5 - (4.0 + y) / PATTERN_PERIOD, 0.75 + (4.0 + x) / PATTERN_PERIOD)
    is_floor = (plane == 0) & ~is_sky
    texture = np.where(is_floor, on_floor, on_wall)
    ambient = np.where(is_floor, AMBIENT_FLOOR, AMBIENT_WALL)
    headlight = HEADLIGHT * np.maximum(0, -(ROOM_NORMALS @ forwards))
    diffuse = lamp(points, ROOM_NORMALS[plane])[..., 0]
    brightness = np.where(is_sky, 0, texture * (ambient + headlight[plane] + diffuse))
    return View(eye, forwards, rays, nearest, is_floor, brightness, texture * IN_SHADOW)


def lamp(points: Floats, normals: Floats) -> Floats:
    """The lamp's light at points [..., 3] of surfaces with normals [..., 3]: diffuse and highlight [..., 2]."""
    towards = LAMP - points
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    cosine = (normals * towards).sum(axis=-1)
    axis = LAMP_AXIS / np.linalg.norm(LAMP_AXIS)
    cone = np.clip(-(towards @ axis), 0, 1) ** LAMP_EXPONENT
    diffuse = LAMP_DIFFUSE * np.maximum(0, cosine) * cone
    return np.stack([diffuse, LAMP_SPECULAR * cone * (cosine >= HIGHLIGHT_FROM)], axis=-1)


def furnished(room: View, mesh: Mesh) -> Scene:
    """Put an object into the room, with its shadow on the floor."""

    def light(points: Floats, normals: Floats) -> Floats:
        both = lamp(points, normals)
        both[..., 0] += AMBIENT_OBJECT + HEADLIGHT * np.maximum(0, -(normals @ room.forwards))
        return both

    brightness, highlight = room.brightness.copy(), np.zeros(len(room.rays))
    is_object = np.zeros(len(room.rays), dtype=bool)
    rightwards = np.array([room.forwards[1], -room.forwards[0], 0])
    axes = np.stack([rightwards, [0, 0, 1]], axis=1)
    corners = mesh.corners.reshape(-1, 3) - room.eye
    near = within(room.rays @ axes, corners @ axes / (corners @ room.forwards)[:, None])
    distances, facets = mesh.hit(room.eye, room.rays[near])
    hits = distances < room.distances[near]
    met, distances = near[hits], distances[hits]
    points = room.eye + distances[:, None] * room.rays[met]
    is_object[met] = True
    brightness[met], highlight[met] = mesh.lit(points, facets[hits], light).T

    floor = np.flatnonzero(room.is_floor & ~is_object)
    points = room.eye + room.distances[floor, None] * room.rays[floor]
    falls = mesh.corners.reshape(-1, 3) - LAMP
    near = within(points[:, :2], (LAMP - LAMP[2] / falls[:, 2:] * falls)[:, :2])
    shadowed = mesh.hit(LAMP, points[near] - LAMP)[0] < 1
    brightness[floor[near[shadowed]]] = room.shaded[floor[near[shadowed]]]
    is_wall = np.isfinite(room.distances) & ~room.is_floor & ~is_object
    return Scene(room.is_floor & ~is_object, is_wall, is_object, brightness, highlight)


def within(places: Floats, outline: Floats) -> NDArray[np.int64]:
    """Which of `places` [R, 2] are inside the smallest upright rectangle around `outline` [V, 2]."""
    return np.flatnonzero(((places >= outline.min(axis=0)) & (places <= outline.max(axis=0))).all(axis=1))


def lanczos_matrix(pixels: int = SIZE, samples: int = SIZE * SAMPLES, lobes: int = 3) -> Floats:
    """Antialiased Lanczos resampling of a line of samples to a line of pixels: [pixels, samples]."""
    step = samples / pixels
    centres = (np.arange(pixels) + 0.5) * step
    offsets = (np.arange(samples) + 0.5 - centres[:, None]) / step
    weights = np.where(np.abs(offsets) < lobes, np.sinc(offsets) * np.sinc(offsets / lobes), 0)
    matrix: Floats = weights / weights.sum(axis=1, keepdims=True)
    return matrix
