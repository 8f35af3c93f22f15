"""Settings of a node: typed, frozen, with precise errors."""

from config.settings import Settings, SettingsError, load, render

__all__ = ["Settings", "SettingsError", "load", "render"]
