#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace driftd::scanner {

/// A directory that others wait below to be looked at: its name, and the directory that holds it, shared by all that is
/// in there. So what waits takes as much memory as its names, however deep it lies. Immutable.
class Branch {
 public:
  using Pointer = std::shared_ptr<const Branch>;

  /// `above` null: `name` is a path, as in Finding.
  Branch(Pointer above, std::string name) : above_(std::move(above)), name_(std::move(name)) {}
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;
  /// Without recursion, since branches may be very long.
  ~Branch();

  [[nodiscard]] std::string path() const;
  [[nodiscard]] const Pointer& above() const { return above_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  Pointer above_;
  std::string name_;
};

/// Names of directories in one directory. They may be very many.
class DirectoryNames {
 public:
  void add(std::string_view name) { all_.append(name).append(1, '\0'); }
  /// There must be one.
  std::string take_last();
  [[nodiscard]] bool empty() const { return all_.empty(); }
  /// Enough to be handed on, so that others can take part.
  [[nodiscard]] bool is_full() const { return all_.size() >= kFull; }

 private:
  static constexpr std::size_t kFull = std::size_t{16} * 1024;
  std::string all_;  ///< each ends with a NUL, which is in none
};

/// `name` in the directory `directory`, which is `.` for the root.
std::string join(std::string_view directory, std::string_view name);

}  // namespace driftd::scanner
