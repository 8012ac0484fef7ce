#include <string>

#include <doctest/doctest.h>

#include "manifests/tool/posix_acl.hpp"

using namespace driftd::manifests::tool;

TEST_CASE("an access list has the kernel's bytes, in the kernel's order") {
  const std::string bytes = acl_bytes({{AclEntry::other, 4, 0xffffffff},
                                       {AclEntry::user, 7, 1001},
                                       {AclEntry::user, 6, 33},
                                       {AclEntry::user_owner, 6, 0xffffffff}});
  CHECK(bytes == std::string("\x02\0\0\0"
                             "\x01\0\x06\0\xff\xff\xff\xff"
                             "\x02\0\x06\0\x21\0\0\0"
                             "\x02\0\x07\0\xe9\x03\0\0"
                             "\x20\0\x04\0\xff\xff\xff\xff",
                             36));
}
