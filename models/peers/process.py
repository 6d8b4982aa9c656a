"""A program that runs its encoder over a file of texts once for each line it is sent."""

import json
import subprocess


class Process:
    """One such program; last is what it said of its last run: wall_ms, cpu_ms, and logits or embeddings."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, _query, _passages):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.last = json.loads(self.process.stdout.readline())
        return self.last.get("logits", self.last.get("embeddings"))
