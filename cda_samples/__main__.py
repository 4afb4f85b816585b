"""Write the samples anew: ``python -m cda_samples``. The same octets every time."""

import json
from pathlib import Path

from cda_samples.orders import valid
from cda_samples.wrong_archives import wrong_archives
from cda_samples.wrong_documents import wrong_documents

HERE = Path(__file__).parent


def files() -> dict[str, bytes]:
    """Every file of the samples, by its path below this folder."""
    written = {f"valid/{name}": content for name, content in valid()}
    for fault in (*wrong_documents(), *wrong_archives()):
        expectation = json.dumps(fault.expectation(), ensure_ascii=False, indent=2) + "\n"
        written[f"invalid/{fault.file}"] = fault.make()
        written[f"invalid/{fault.file}.expect.json"] = expectation.encode()
    return written


def main() -> None:
    """Write them all, and take away what is no sample any more."""
    made = files()
    for folder in ("valid", "invalid"):
        (HERE / folder).mkdir(exist_ok=True)
        for path in (HERE / folder).iterdir():
            if f"{folder}/{path.name}" not in made:
                path.unlink()
    for name, content in made.items():
        (HERE / name).write_bytes(content)


if __name__ == "__main__":
    main()
