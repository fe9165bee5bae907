"""Ways in which a Parquet file is damaged."""

import pyarrow.parquet as pq


def remove(path):
    path.unlink()


def cut_off(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path):
    path.write_bytes(b"")


def garble(path):
    """The name of a column is no text any more."""
    path.write_bytes(path.read_bytes().replace(b"action", b"\xfbction"))


def double(path):
    table = pq.read_table(path)
    pq.write_table(table.append_column("episode_index", table.column("episode_index")), path)


def damage_group(path, group, column):
    """Overwrite a column of a group of rows."""
    with pq.ParquetFile(path) as file:
        names = [file.metadata.row_group(group).column(k).path_in_schema for k in range(file.metadata.num_columns)]
        chunk = file.metadata.row_group(group).column(next(k for k, n in enumerate(names) if n.startswith(column)))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(content))
