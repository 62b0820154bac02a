#pragma once

namespace tessera {

/// Asks the C library to keep freed memory up to 2 GiB for the next tensor, and to take up to 1 GiB
/// a tensor from it, where it would return each large block to the system and have it back page by
/// zeroed page: an update allocates what the last one freed, and the first touch of fresh pages
/// cost up to half of a training step. For a program's start: it holds for the whole process. glibc
/// before 2.35 accepts the first half alone.
void keep_freed_memory();

}  // namespace tessera
