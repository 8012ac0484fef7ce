#include "daemon/inquiries.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "daemon/state_store.hpp"
#include "manifests/file_io.hpp"
#include "manifests/trust_store.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {

using manifests::Result;
using manifests::UniqueFd;
using About = Inquiry::About;
using Texts = Inquiry::Texts;

Result<Config> load_config_with_patience(const std::string& file, const std::string& host) {
  const auto ask = [&](const About& about) -> Result<Texts> {
    const auto files = read_config(file, about);
    if (!files) return files.error();
    Texts texts;
    for (const ConfigFile& one : *files) texts.insert(texts.end(), {one.path, one.text});
    return texts;
  };
  const auto told = ask_apart(Inquiry{file, ask});
  if (!told) return told.error();
  std::vector<ConfigFile> files;
  for (std::size_t i = 0; i + 1 < told->size(); i += 2) files.push_back({(*told)[i], (*told)[i + 1]});
  return parse_config(files, host);
}

Inquiry inquire_place(const TreeConfig& tree, std::chrono::milliseconds patience) {
  const auto ask = [tree](const About& about) -> Result<Texts> {
    // What is remembered of a directory may be told for a dead server; to open it asks.
    const UniqueFd root(::open(tree.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    about(tree.manifest);
    // Directories may answer where content does not.
    const auto manifest = manifests::open_regular_file(tree.manifest, SIZE_MAX);
    char byte = 0;
    if (manifest) (void)!::read(manifest->fd.get(), &byte, 1);
    const TreePlace place = find_place(tree);
    return Texts{place.root, place.manifest, place.manifest_name, place.is_remote ? "remote" : "local"};
  };
  return {tree.root, ask, patience};
}

Result<TreePlace> place_told(const Result<Texts>& answer) {
  if (!answer) return answer.error();
  const Texts& texts = *answer;
  return TreePlace{texts.at(0), texts.at(1), texts.at(2), texts.at(3) == "remote", true};
}

/// Told in sixes: the tree's number, then a NamedPath or a Detour, with what it is and its path first.
Inquiry inquire_paths(const std::vector<TreePlace>& trees, const std::vector<std::string>& paths,
                      std::chrono::milliseconds patience) {
  const auto ask = [=](const About& about) -> Result<Texts> {
    const auto asked = asked_paths(trees, paths, Links::resolved, about);
    if (!asked) return asked.error();
    Texts texts;
    for (std::size_t i = 0; i < asked->size(); ++i) {
      const std::string tree = std::to_string(i);
      for (const auto& [path, argument, is_guess] : (*asked)[i].named)
        texts.insert(texts.end(), {tree, is_guess ? "guess" : "named", path, argument, "", ""});
      for (const auto& [directory, detour] : (*asked)[i].detours)
        texts.insert(texts.end(),
                     {tree, detour.leads_away ? "away" : "detour", directory, detour.path, detour.at, detour.unknown});
    }
    return texts;
  };
  return {paths.front(), ask, patience};
}

Result<std::vector<AskedPaths>> paths_told(const Result<Texts>& answer, std::size_t trees) {
  if (!answer) return answer.error();
  std::vector<AskedPaths> asked(trees);
  const Texts& texts = *answer;
  for (std::size_t i = 0; i + 5 < texts.size(); i += 6) {
    AskedPaths& of_tree = asked.at(std::stoul(texts[i]));
    const std::string& what = texts[i + 1];
    const std::string& path = texts[i + 2];
    if (what == "detour" || what == "away") {
      of_tree.detours.emplace(path, Detour{texts[i + 3], texts[i + 4], texts[i + 5], what == "away"});
    } else {
      of_tree.add({path, texts[i + 3], what == "guess"});
    }
  }
  return asked;
}

Inquiry inquire_trust(const TrustConfig& trust, std::chrono::milliseconds patience) {
  const auto ask = [trust](const About& about) -> Result<Texts> {
    for (const std::string& directory : trust.directories) {
      about(directory);
      (void)manifests::load_trust_store({directory});
    }
    return Texts{};
  };
  return {trust.directories.empty() ? "" : trust.directories.front(), ask, patience};
}

Inquiry inquire_state(const std::string& directory, std::chrono::milliseconds patience) {
  const auto ask = [directory](const About&) -> Result<Texts> {
    (void)StateStore::open_for_reading(directory);
    return Texts{};
  };
  return {directory, ask, patience};
}

}  // namespace driftd::daemon
