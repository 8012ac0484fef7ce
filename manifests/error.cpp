#include "manifests/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "manifests/escape.hpp"

namespace driftd::manifests {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage: return "usage";
    case ErrorCode::io: return "io";
    case ErrorCode::stalled: return "stalled";
    case ErrorCode::trust: return "trust";
    case ErrorCode::size: return "size";
    case ErrorCode::format: return "format";
    case ErrorCode::signature: return "signature";
    case ErrorCode::scope: return "scope";
    case ErrorCode::replay: return "replay";
    case ErrorCode::equivocation: return "equivocation";
    case ErrorCode::expired: return "expired";
    case ErrorCode::future: return "future";
    case ErrorCode::revoked: return "revoked";
    case ErrorCode::unreadable: return "unreadable";
  }
  std::abort();
}

Error system_error(std::string_view subject, int errno_value) {
  return {ErrorCode::io, escape(subject) + ": " + std::generic_category().message(errno_value)};
}

Error with_context(std::string_view context, Error error) {
  error.message.insert(0, escape(context) + ": ");
  return error;
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  std::fprintf(stderr, "driftd: bug: unchecked error at %s:%u: %s\n", where.file_name(),
               static_cast<unsigned>(where.line()), error.message.c_str());
  std::abort();
}

}  // namespace driftd::manifests
