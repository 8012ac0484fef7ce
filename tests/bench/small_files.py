"""Makes directories of 1000 files of 200 bytes, no two alike. usage: small_files.py DIRECTORY COUNT"""

import os
import sys
from pathlib import Path


def main() -> None:
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    root.mkdir()
    for number in range(count):
        directory = os.path.join(root, f"d{number:04}")
        os.mkdir(directory, 0o755)
        for file in range(1000):
            descriptor = os.open(f"{directory}/f{file:03}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(descriptor, (f"{number:04}.{file:03}\n" * 23)[:200].encode())
            os.close(descriptor)


main()
