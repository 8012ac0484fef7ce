#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "manifests/entry.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/random.hpp"

/// Random trees as one would draw them, to compare a manifest with.
namespace driftd::test {

struct FlatEntry {
  std::string path;  ///< empty for the root
  manifests::Entry entry;
  std::size_t parent;
  std::size_t end;  ///< one behind the last below
  std::vector<std::size_t> children;
};

/// A path as ManifestBuilder takes it, and what is there.
using ListedEntry = std::pair<std::string, manifests::Entry>;

namespace random_tree_detail {

struct Node {
  manifests::Entry entry;
  std::map<std::string, Node> below;
};

inline const std::vector<std::string>& names() {
  // Bytes around the slash, bytes that are negative as char, bytes that have to be escaped, and names that start like
  // others: where orders and parsers go wrong.
  static const std::vector<std::string> all = {
      "a",   "a.b",  "a-",       "a b",        "ab",   "a0",   "aa",  "A",    "b",   "b!",        "\x01", " ",
      "-",   ".hid", "~",        "\x7f",       "\x80", "\xff", "z",   "zz",   "z.",  "z\xff\xff", "...",  "#c",
      "\\x", "*",    "\xc3\xa9", "two\nlines", "q=?",  "[x]",  ".a.", "\t\r", "a,b", "type=dir"};
  return all;
}

inline manifests::Digest digest(Random& random) {
  manifests::Digest digest;
  for (unsigned char& byte : digest.bytes) byte = static_cast<unsigned char>(random.below(256));
  return digest;
}

/// Any attributes that do not contradict each other.
inline manifests::Entry entry(Random& random, manifests::EntryType type) {
  using manifests::EntryType;
  static const std::vector<std::string> accounts = {"root", "www-data", "a.b_C-9$"};
  manifests::Entry entry;
  entry.type = type;
  entry.optional = random.one_in(4);
  manifests::Attributes& attributes = entry.attributes;
  if (random.one_in(3)) attributes.uname = random.pick(accounts);
  if (!attributes.uname && random.one_in(3)) attributes.uid = static_cast<std::uint32_t>(random.number());
  if (random.one_in(3)) attributes.gname = random.pick(accounts);
  if (!attributes.gname && random.one_in(3)) attributes.gid = static_cast<std::uint32_t>(random.number());
  if (type == EntryType::symlink) {
    attributes.link = random.pick(names()) + "/" + random.from("ab\n\\ \xe9", random.below(5));
    return entry;
  }
  if (random.one_in(3)) attributes.mode = static_cast<std::uint32_t>(random.below(010000));
  if (random.one_in(5)) attributes.acl = digest(random);
  if (type == EntryType::directory) return entry;
  if (random.one_in(5)) {
    std::string raw = random.bytes(1 + random.below(64));
    attributes.capability = std::move(raw);
  }
  entry.executable = !attributes.mode && random.one_in(3);
  entry.any_exec = !attributes.mode && !entry.executable && random.one_in(5);
  if (random.one_in(5)) return entry;
  entry.size = random.one_in(4) ? random.number() : random.below(100);
  if (!random.one_in(4)) entry.blake3 = digest(random);
  if (!random.one_in(4)) entry.sha256 = digest(random);
  return entry;
}

inline Node node(Random& random, int depth) {
  using manifests::EntryType;
  Node node{entry(random, EntryType::directory), {}};
  for (std::size_t count = random.below(depth == 0 ? 9 : 5); count > 0; --count) {
    Node& child = node.below[random.pick(names())];
    switch (random.below(depth < 4 ? 6 : 3)) {
      case 0: child = {entry(random, EntryType::file), {}}; break;
      case 1: child = {entry(random, EntryType::symlink), {}}; break;
      case 2:
        child = {entry(random, EntryType::directory), {}};
        child.entry.ignore = random.one_in(2);
        break;
      default: child = random_tree_detail::node(random, depth + 1); break;
    }
  }
  return node;
}

inline std::size_t flatten(const Node& node, const std::string& path, std::size_t parent, std::vector<FlatEntry>& out) {
  const std::size_t index = out.size();
  out.push_back({path, node.entry, parent, 0, {}});
  for (const auto& [name, child] : node.below) {
    const std::size_t at = flatten(child, path.empty() ? name : path + "/" + name, index, out);
    out[index].children.push_back(at);
  }
  out[index].end = out.size();
  return index;
}

}  // namespace random_tree_detail

/// Depth first, parents before children, siblings in byte order. The first is the root.
inline std::vector<FlatEntry> random_tree(Random& random) {
  auto root = random_tree_detail::node(random, 0);
  root.entry.optional = false;
  std::vector<FlatEntry> flat;
  random_tree_detail::flatten(root, "", 0, flat);
  return flat;
}

inline std::vector<ListedEntry> listed(const std::vector<FlatEntry>& flat) {
  std::vector<ListedEntry> entries;
  for (const FlatEntry& one : flat) entries.emplace_back(one.path.empty() ? "." : one.path, one.entry);
  return entries;
}

}  // namespace driftd::test
