"""A disk that can be cut off: takes the events that the recorder noted (recorder/record.h), in order, and
tells what a power cut at this moment could leave.

What holds after a cut: everything that a finished sync covers is there. Of what came later any part
may be there, in any order: each write, whole or by sectors of 512 bytes; each size the file has had;
each name that was made, moved or removed. Within a sector a write does not harm its neighbours (what
SQLite calls powersafe overwrite, and what disks with whole-sector writes give). Making a name last
takes a sync of its folder, making bytes last a sync of the file; neither does the other, which is
stricter than most file systems are. A rename happens or does not; it never loses both names.

Which of all these states it is, a seeded chance decides."""

import random
import struct
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

SECTOR = 512

HEAD = struct.Struct("<IIQQ")

#: In the order of enum record_kind, from 1.
(LIFE, CREATE, WRITE, TRUNCATE, ALLOCATE, SYNC_BEGIN, SYNC_END, FOLDER_BEGIN, FOLDER_END, RENAME,
 UNLINK, ANSWER) = range(1, 13)


class Event(NamedTuple):
    kind: int
    number: int
    at: int
    data: bytes


def read_log(path: Path) -> Iterator[Event]:
    data = path.read_bytes()
    at = 0
    while at < len(data):
        kind, length, number, place = HEAD.unpack_from(data, at)
        at += HEAD.size
        assert LIFE <= kind <= ANSWER and at + length <= len(data), "the log is damaged"
        yield Event(kind, number, place, data[at:at + length])
        at += length


class Image:
    """A file's bytes. What lies between them and the size reads as zeros."""

    def __init__(self, data: bytes = b"", size: int = 0) -> None:
        self.data = bytearray(data)
        self.size = size

    def copy(self) -> "Image":
        return Image(self.data, self.size)

    def apply(self, event: Event) -> None:
        if event.kind == WRITE:
            end = event.at + len(event.data)
            if len(self.data) < event.at:
                self.data.extend(bytes(event.at - len(self.data)))
            self.data[event.at:end] = event.data
            self.size = max(self.size, end)
        elif event.kind == ALLOCATE:
            self.size = max(self.size, event.at)
        else:
            self.size = event.at
            del self.data[self.size:]

    def sector(self, number: int) -> bytes:
        part = bytes(self.data[number * SECTOR:(number + 1) * SECTOR])
        return part.ljust(SECTOR, b"\0")

    def put_sector(self, number: int, data: bytes) -> None:
        size = self.size
        self.apply(Event(WRITE, 0, number * SECTOR, data))
        self.size = size
        del self.data[size:]

    def save(self, path: Path) -> None:
        with open(path, "wb") as file:
            file.write(self.data)
            file.truncate(self.size)
        path.chmod(0o640)


def touched(event: Event, before: int) -> range:
    """The sectors that an event changes; `before` is the size it meets."""
    if event.kind == WRITE:
        return range(event.at // SECTOR, (event.at + len(event.data) - 1) // SECTOR + 1)
    if event.kind == TRUNCATE and event.at < before:
        return range(event.at // SECTOR, (before - 1) // SECTOR + 1)
    return range(0)


#: What becomes of what was not synced.
TEMPERS = ["lost", "kept", "prefix", "subset", "sectors"]


def choose(events: List[Event], temper: str, chance: random.Random) -> List[Event]:
    if temper == "lost":
        return []
    if temper == "kept":
        return events
    if temper == "subset":
        share = chance.choice([0.1, 0.5, 0.9])
        return [event for event in events if chance.random() < share]
    return events[:chance.randint(0, len(events))]


class File:
    """One inode: what is on the disk for sure, and what may be."""

    def __init__(self, inode: int) -> None:
        self.inode = inode
        self.durable = Image()
        self.pending: List[Tuple[int, Event]] = []

    def sync(self, covered: int) -> None:
        while self.pending and self.pending[0][0] <= covered:
            self.durable.apply(self.pending.pop(0)[1])

    def latest(self) -> Image:
        image = self.durable.copy()
        for _, event in self.pending:
            image.apply(event)
        return image

    def after_cut(self, temper: str, chance: random.Random) -> Image:
        events = [event for _, event in self.pending]
        image = self.durable.copy()
        if temper == "sectors":
            return self._torn(events, image, chance)
        chosen = choose(events, temper, chance)
        for event in chosen:
            image.apply(event)
        if temper == "prefix" and len(chosen) < len(events):
            # The one that was being written: its first sectors only.
            event = events[len(chosen)]
            if event.kind == WRITE and len(event.data) > 1:
                cut = (event.at + chance.randrange(len(event.data))) // SECTOR * SECTOR - event.at
                if cut > 0:
                    image.apply(event._replace(data=event.data[:cut]))
        return image

    def _torn(self, events: List[Event], image: Image, chance: random.Random) -> Image:
        """Each sector as it was at some time, each independently; and some size of those it had."""
        now = image.copy()
        versions: Dict[int, List[bytes]] = {}
        sizes = [now.size]
        for event in events:
            sectors = touched(event, now.size)
            for number in sectors:
                versions.setdefault(number, [now.sector(number)])
            now.apply(event)
            for number in sectors:
                versions[number].append(now.sector(number))
            if now.size != sizes[-1]:
                sizes.append(now.size)
        image.size = chance.choice(sizes) if chance.random() < 0.5 else now.size
        del image.data[image.size:]
        for number, contents in versions.items():
            if number * SECTOR < image.size:
                image.put_sector(number, chance.choice(contents))
        return image


class Disk:
    """Files are known by the clock of their making: inode numbers are used again, also while the disk may
    still have an old name for the old file."""

    def __init__(self) -> None:
        self.files: Dict[int, File] = {}
        self.names: Dict[str, int] = {}  # path: file, for sure
        self.pending: List[Tuple[int, Event]] = []  # of names; their number is the file
        self._clock = 0
        self._current: Dict[int, int] = {}  # inode: file
        self._begun: Dict[int, int] = {}  # token: what the sync covers

    def apply(self, event: Event) -> None:
        self._clock += 1
        if event.kind == CREATE:
            self._current[event.number] = self._clock
            self.files[self._clock] = File(event.number)
        if event.kind in (WRITE, TRUNCATE, ALLOCATE):
            self.files[self._current[event.number]].pending.append((self._clock, event))
        elif event.kind in (CREATE, RENAME, UNLINK):
            file = self._current[event.number]
            self.pending.append((self._clock, event._replace(number=file)))
        elif event.kind in (SYNC_BEGIN, FOLDER_BEGIN):
            self._begun[event.at] = self._clock
        elif event.kind == SYNC_END:
            self.files[self._current[event.number]].sync(self._begun.pop(event.at))
        elif event.kind == FOLDER_END:
            self._sync_folder(event.data.decode(), self._begun.pop(event.at))

    def _sync_folder(self, folder: str, covered: int) -> None:
        rest = []
        for clock, event in self.pending:
            if clock <= covered and _folder_of(event) == folder:
                _rename(self.names, event)
            else:
                rest.append((clock, event))
        self.pending = rest

    def _latest_names(self) -> Dict[str, int]:
        names = dict(self.names)
        for _, event in self.pending:
            _rename(names, event)
        return names

    def latest(self) -> Dict[str, Image]:
        """What programs see: everything that was written."""
        return {path: self.files[file].latest() for path, file in self._latest_names().items()}

    def unsynced(self) -> Dict[str, int]:
        """How many writes wait for a sync, by what the file is; and how many names."""
        found = {"names": len(self.pending)}
        for path, file in self._latest_names().items():
            kind = path.rpartition("/")[2].partition(".")[2] if "/jobs/" not in path else "job"
            found[kind] = found.get(kind, 0) + len(self.files[file].pending)
        return found

    def after_cut(self, chance: random.Random) -> Dict[str, Tuple[int, Image]]:
        """Path to inode number and bytes, in one of the possible states."""
        one = chance.choice(TEMPERS) if chance.random() < 0.5 else None
        names = dict(self.names)
        temper = one or chance.choice(TEMPERS[:4])
        for event in choose([event for _, event in self.pending], temper, chance):
            _rename(names, event)
        found = {}
        for path, number in names.items():
            file = self.files[number]
            temper = one or chance.choice(TEMPERS)
            found[path] = file.inode, file.after_cut(temper, chance)
        return found


def _paths(event: Event) -> Tuple[str, Optional[str]]:
    first, _, second = event.data.decode().partition("\0")
    return first, second or None


def _folder_of(event: Event) -> str:
    return _paths(event)[0].rpartition("/")[0]


def _rename(names: Dict[str, int], event: Event) -> None:
    path, to = _paths(event)
    if event.kind == CREATE:
        names[path] = event.number
    elif event.kind == UNLINK:
        names.pop(path, None)
    else:
        if names.get(path) == event.number:
            del names[path]
        names[to] = event.number


def put_back(state: Dict[str, Tuple[int, Image]], root: str, folder: Path, table: Path) -> None:
    """Writes the files below `folder` as they stood below `root`, and the table that shows the file sink
    the inode numbers by which it knew its files (recorder/inodes.c)."""
    lines = []
    for path, (inode, image) in state.items():
        here = folder / path[len(root) + 1:]
        here.parent.mkdir(parents=True, exist_ok=True)
        image.save(here)
        if ".jsonl" in here.name:
            lines.append(f"{here.stat().st_ino} {inode}\n")
    table.write_text("".join(lines))
