#include "daemon/tree_files.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "manifests/rel_path.hpp"

namespace driftd::daemon {
namespace {

using manifests::RelPath;
using scanner::KnownFile;
using scanner::KnownFiles;

/// More paths than this are looked at by looking at everything.
constexpr std::size_t kMostPaths = 20'000;

KnownFiles of_manifest(const KnownFiles& files, const ManifestPointer& manifest) {
  return files.manifest() == manifest ? files : KnownFiles(manifest, {});
}

}  // namespace

std::shared_ptr<TreeFiles::Look> TreeFiles::begin_look(Seen sees) {
  auto look = std::make_shared<Look>();
  look->sees_ = sees;
  std::erase_if(looks_, [](const auto& one) { return one.expired(); });
  looks_.push_back(look);
  return look;
}

bool TreeFiles::is_looked_at() const {
  return std::any_of(looks_.begin(), looks_.end(), [](const auto& look) { return !look.expired(); });
}

void TreeFiles::touched(scanner::FileNumber file) {
  for (const auto& one : looks_) {
    if (const auto look = one.lock()) look->touched_.add(file);
  }
}

scanner::Dirty TreeFiles::end_look(const Look& look, Seen seen, const ManifestPointer& manifest,
                                   std::vector<KnownFile> files, scanner::StatCache& cache) {
  const KnownFiles before = of_manifest(known_, manifest);
  scanner::Dirty missed;
  for (const KnownFile& one : files) {
    if (!look.touched_.may_hold(one.file) || before.holds(one)) continue;
    if (missed.paths.paths().size() == kMostPaths) {
      missed.anywhere = true;
      cache.forget(one.entry);
    } else if (const auto path = RelPath::parse(manifest->manifest().path(one.entry))) {
      missed.paths.add(*path);
    }
  }
  // Quick scans learn beside full ones only, and looks that take long; there both what was known by one and by the
  // other stays known.
  if (seen != Seen::all) {
    for (const auto& one : looks_) {
      const auto other = one.lock();
      const bool may_learn = other && (seen == Seen::somewhere || other->sees_ != Seen::changed);
      if (may_learn && other.get() != &look) other->learnt_ = of_manifest(other->learnt_, manifest).with(files);
    }
  }
  known_ = seen == Seen::all ? KnownFiles(manifest, std::move(files)) : before.with(std::move(files));
  if (look.learnt_.manifest() == manifest) known_ = known_.with(look.learnt_);
  return missed;
}

}  // namespace driftd::daemon
