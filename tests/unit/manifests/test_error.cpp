#include <cerrno>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "manifests/error.hpp"

using driftd::manifests::Error;
using driftd::manifests::ErrorCode;
using driftd::manifests::system_error;
using driftd::manifests::with_context;

TEST_CASE("every error code has a name of its own") {
  std::set<std::string> names;
  int codes = 0;
  for (const ErrorCode code :
       {ErrorCode::usage, ErrorCode::io, ErrorCode::stalled, ErrorCode::trust, ErrorCode::size, ErrorCode::format,
        ErrorCode::signature, ErrorCode::scope, ErrorCode::replay, ErrorCode::equivocation, ErrorCode::expired,
        ErrorCode::future, ErrorCode::revoked, ErrorCode::unreadable}) {
    names.insert(std::string(to_string(code)));
    ++codes;
  }
  CHECK(names.size() == static_cast<std::size_t>(codes));
  CHECK(names.count("") == 0);
}

TEST_CASE("errors say what and where, and bytes from outside are escaped in them") {
  const Error error = system_error("/srv/\x1b[31m", ENOENT);
  CHECK(error.code == ErrorCode::io);
  CHECK(error.message == "/srv/\\x1b[31m: No such file or directory");

  const Error outer = with_context("tree\n", {ErrorCode::scope, "inner \\x1b"});
  CHECK(outer.code == ErrorCode::scope);
  CHECK(outer.message == "tree\\x0a: inner \\x1b");
}
