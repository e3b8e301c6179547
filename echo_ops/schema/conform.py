"""Bring a table into the shape that a stage expects, or say what is wrong with it."""

from __future__ import annotations

import pyarrow as pa

from echo_ops.errors import SchemaError


def conform(table: pa.Table, schema: pa.Schema, name: str, optional: frozenset[str] = frozenset()) -> pa.Table:
    """``table`` with exactly the columns of ``schema``, in its order and types; further columns are left out.

    Args:
        table: any Arrow table.
        schema: what is wanted.
        name: what the table is called in the error.
        optional: columns that may be missing and are then null.

    Raises:
        SchemaError: a column is missing, cannot be cast, or holds null where the schema forbids it.
    """
    missing = [field.name for field in schema if field.name not in table.column_names and field.name not in optional]
    if missing:
        raise SchemaError(f"{name}: column {', '.join(missing)} is missing; wanted are {', '.join(schema.names)}")
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name]
        try:
            column = column if column.type == field.type else column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise SchemaError(f"{name}: column {field.name} is {column.type}, wanted is {field.type}") from None
        if not field.nullable and column.null_count:
            raise SchemaError(f"{name}: column {field.name} holds {column.null_count} nulls, none are allowed")
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; ``combine_chunks`` copies it even where it is in one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
