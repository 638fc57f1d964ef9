"""Serving HTTP, whatever is served: sockets, uvicorn's protocol with bounds and a short way, the loop, log lines.

The control plane (`server`) and the model server (`serving`) stand on it; they do not know one another.
"""
