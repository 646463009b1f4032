"""A small file system of its own in memory, which a test may fill."""

import os
import subprocess
from pathlib import Path

import pytest

MIB = 1 << 20


class SmallDisk:
    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.filler = folder / "somebody-elses-file"
        folder.mkdir()
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs",
                                 str(folder)], capture_output=True, text=True)
        if result.returncode != 0:
            folder.rmdir()
            pytest.skip(f"a file system cannot be mounted here: {result.stderr.strip()}")

    def free(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Writes somebody else's file until so much is left; again and again it takes what is freed."""
        with open(self.filler, "ab", buffering=0) as file:
            try:
                while self.free() > leave:
                    file.write(bytes(min(self.free() - leave, MIB)))
            except OSError:
                pass  # somebody was quicker: full is full

    def empty(self) -> None:
        self.filler.unlink()

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
