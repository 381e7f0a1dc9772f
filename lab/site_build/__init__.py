"""What a real site serves to its servers: packages, container images and Python wheels, made on this machine.

`pipeline.py` is the whole of it; read it from top to bottom.
"""
