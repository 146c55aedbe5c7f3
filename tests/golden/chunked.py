"""tutorial.chunked.weights.h5: tutorial.weights.h5 in chunks, shuffled, compressed, with checksums."""

import h5py

with h5py.File("tutorial.weights.h5") as old, h5py.File("tutorial.chunked.weights.h5", "w") as new:

    def copy(name, item):
        if isinstance(item, h5py.Group):
            group = new.require_group(name)
            group.attrs.update(item.attrs)
        elif item.shape:
            chunks = tuple(max(1, length // 2) for length in item.shape)
            new.create_dataset(
                name, data=item[()], chunks=chunks, compression="gzip", shuffle=True, fletcher32=True
            )
        else:
            new.create_dataset(name, data=item[()])

    old.visititems(copy)
