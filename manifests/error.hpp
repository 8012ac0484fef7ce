#pragma once

#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace driftd::manifests {

/// What went wrong, as far as a caller may decide by it. The codes from `size` to `revoked` are also the values of
/// the metric label driftd_manifest_problem{reason}.
enum class ErrorCode {
  usage,         ///< the caller asked for something that makes no sense: exit code 64
  io,            ///< the system refused; the message carries errno's text
  stalled,       ///< a file system did not answer in time
  trust,         ///< the trusted keys themselves cannot be used
  size,          ///< larger than its limit
  format,        ///< not what the format allows
  signature,     ///< no or not enough good signatures by trusted keys
  scope,         ///< truly signed, but for something else
  replay,        ///< an older sequence than one already accepted
  equivocation,  ///< the same sequence with other bytes
  expired,
  future,      ///< created too far ahead of this host's clock
  revoked,     ///< signed by revoked keys only
  unreadable,  ///< the manifest or its signature could not be read
};

/// The code's name as it stands in metrics and JSON.
std::string_view to_string(ErrorCode code);

/// An expected failure. The message is one line without a final full stop: what, where, and what to do where that
/// is not obvious. Bytes from outside are already escaped in it.
struct Error {
  ErrorCode code{};
  std::string message;
};

/// A value or an Error. boost::system::result, but that asking a failed one for its value by `->` is caught like
/// asking by `*`: as a bug.
template <class T>
class Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
};

template <>
class Result<void> : public boost::system::result<void, Error> {
 public:
  using boost::system::result<void, Error>::result;
};

/// `Error{io, "SUBJECT: text of errno_value"}`.
Error system_error(std::string_view subject, int errno_value);

/// Puts `context: ` in front of the message; each layer adds its own once.
Error with_context(std::string_view context, Error error);

/// Found by boost::system::result when value() is asked of a failed result, which is a bug: aborts.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace driftd::manifests
