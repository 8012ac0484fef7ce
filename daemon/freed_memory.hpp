#pragma once

namespace driftd::daemon {

/// Gives memory that was freed back to the system, where the allocator keeps it: for after what needed very much more
/// of it than what is left. Takes some ms a GiB, and does nothing where the C library is not glibc.
void give_back_freed_memory();

}  // namespace driftd::daemon
