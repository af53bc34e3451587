"""Rotation of keys while everything goes on: a job for each rotation, with progress."""

from tenon_rotation.models import Level, Rotation, State
from tenon_rotation.opening import Rotations

__all__ = ["Level", "Rotation", "Rotations", "State"]
