"""What a real site serves to its servers: packages, container images and Python wheels, made on this machine.

`build()` is the whole of it; read `pipeline.py` from top to bottom.
"""

from site_build.pipeline import build, salt_wheels

__all__ = ["build", "salt_wheels"]
