"""One small file a program: how it reads crystals, makes graphs and learns.

Each runs under the Python that has the program (`python -m benchmarks.peers.NAME`), is sent tasks
as lines of JSON, and answers with seconds; see `serving.py`.
"""
