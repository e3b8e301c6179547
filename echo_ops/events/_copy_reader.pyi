from typing import Any

def read(
    connection: int,
    get_copy_data: int | None,
    free_memory: int | None,
    kinds: str,
    room: tuple[int, ...],
    most: int,
    /,
) -> tuple[int, int, tuple[tuple[int, Any, Any, Any], ...]]: ...
