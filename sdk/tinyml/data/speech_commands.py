"""Speech Commands (Warden 2018): a folder per word, speakers in file names, lists of the validation and test parts."""

from __future__ import annotations

import urllib.error
from pathlib import Path

from tinyml.data.listing import BACKGROUND_FOLDER, SILENCE, Listed
from tinyml.data.torchaudio_shim import load_torchaudio
from tinyml.errors import ProjectError

NAME = "speech_commands"
LICENCE = "CC BY 4.0"
DOWNLOAD_NAME = "SPEECHCOMMANDS"
VERSION = "speech_commands_v0.02"
_LISTS = ("validation_list.txt", "testing_list.txt")
_SUBSETS = {"training": "train", "validation": "val", "testing": "test"}


def is_speech_commands(folder: Path) -> bool:
    """Whether `folder` has the layout of the data set: both lists beside the folders of the words."""
    return all((folder / name).is_file() for name in _LISTS)


def list_speech_commands(folder: Path) -> list[Listed]:
    """Files of the data set in `folder`, as torchaudio lists them, with its own splits; noises become `silence`."""
    dataset = load_torchaudio().datasets.SPEECHCOMMANDS
    listed = []
    for subset, split in _SUBSETS.items():
        part = dataset(folder.parent, url=f"{folder.name}.tar.gz", folder_in_archive=".", subset=subset)
        for number in range(len(part)):
            path, _, label, speaker, index = part.get_metadata(number)
            listed.append(Listed((folder.parent / path).resolve(), label, speaker, index, split))
    noises = sorted((folder / BACKGROUND_FOLDER).glob("*.wav"))
    return listed + [Listed(path, SILENCE, "", number, "train") for number, path in enumerate(noises)]


def resolve_speech_commands(src: Path) -> Path:
    """The folder to import for what a user names: the data set itself, or the root that torchaudio keeps it under.

    A missing folder named SPEECHCOMMANDS is a request to download it there.
    """
    below = src / "SpeechCommands" / VERSION
    if is_speech_commands(below):
        return below
    if src.name.upper() == DOWNLOAD_NAME and not src.exists():
        return download_speech_commands(src)
    return src


def download_speech_commands(folder: Path) -> Path:
    """Fetch the data set (2.3 GB) into `folder` unless it is there, and return the folder to import.

    Raises: ProjectError when it cannot be downloaded; MissingToolError without torchaudio.
    """
    target = folder / "SpeechCommands" / VERSION
    if is_speech_commands(target):
        return target
    dataset = load_torchaudio().datasets.SPEECHCOMMANDS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        dataset(folder, url=VERSION, download=True)
    except (OSError, RuntimeError, urllib.error.URLError) as error:
        raise ProjectError(
            f"cannot download {VERSION}: {error}",
            hint=f"fetch {VERSION}.tar.gz elsewhere, unpack it, and run `tinyml data import` on its folder",
        ) from error
    return target
