#include "scanner/directory_listing.hpp"

#include <sys/syscall.h>
#include <unistd.h>

namespace driftd::scanner {

DirectoryListing::DirectoryListing() : buffer_(std::make_unique_for_overwrite<char[]>(kBufferSize)) {}

long DirectoryListing::fill(int directory) { return ::syscall(SYS_getdents64, directory, buffer_.get(), kBufferSize); }

}  // namespace driftd::scanner
