#include "daemon/yaml_tree.hpp"

#include <algorithm>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

constexpr std::size_t kMaxDepth = 32;

YamlMark mark_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

struct Refused {
  YamlMark mark;
  std::string what;
};

/// Builds the tree from the parser's events, which show what a loaded document hides: anchors and duplicate keys.
class Builder final : public YAML::EventHandler {
 public:
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add({YamlNode::Kind::null, mark_of(mark), {}, {}, {}});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark_of(mark), "aliases are not allowed; write the value out"};
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    add({YamlNode::Kind::scalar, mark_of(mark), value, {}, {}});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(YamlNode::Kind::sequence, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(YamlNode::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refused{mark_of(mark), "anchors are not allowed; write the value out"};
  }
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    // `?` is a plain scalar, `!` a quoted one.
    if (!tag.empty() && tag != "?" && tag != "!") throw Refused{mark_of(mark), "tags are not allowed"};
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    if (open_.size() >= kMaxDepth) throw Refused{mark_of(mark), "nested deeper than 32 levels"};
    open_.push_back({kind, mark_of(mark), {}, {}, {}});
  }

  void close() {
    YamlNode done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done));
  }

  /// Into the innermost open node; in a map, keys and values alternate.
  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& holder = open_.back();
    if (holder.kind == YamlNode::Kind::sequence) {
      holder.items.push_back(std::move(node));
      return;
    }
    if (!holder.items.empty()) {
      holder.pairs.push_back({std::move(holder.items.back()), std::move(node)});
      holder.items.clear();
      return;
    }
    if (node.kind != YamlNode::Kind::scalar) throw Refused{node.mark, "a key must be plain text"};
    const auto same = std::find_if(holder.pairs.begin(), holder.pairs.end(),
                                   [&](const auto& pair) { return pair.key.scalar == node.scalar; });
    if (same != holder.pairs.end()) {
      throw Refused{node.mark, "the key '" + manifests::escape(node.scalar) + "' stands twice; first in line " +
                                   std::to_string(same->key.mark.line)};
    }
    holder.items.push_back(std::move(node));  // waits for its value
  }

  YamlNode root_;
  std::vector<YamlNode> open_;
};

}  // namespace

manifests::Error yaml_error(const std::string& file, YamlMark mark, std::string_view what) {
  return {manifests::ErrorCode::format, manifests::escape(file) + ":" + std::to_string(mark.line) + ":" +
                                            std::to_string(mark.column) + ": " + std::string(what)};
}

manifests::Result<YamlNode> parse_yaml(const std::string& text, const std::string& file) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    YamlNode root = builder.take();
    if (Builder second; parser.HandleNextDocument(second)) {
      return yaml_error(file, second.take().mark, "a second document; one is all that a configuration can hold");
    }
    return root;
  } catch (const Refused& refused) {
    return yaml_error(file, refused.mark, refused.what);
  } catch (const YAML::Exception& error) {
    return yaml_error(file, mark_of(error.mark), manifests::escape(error.msg));
  }
}

}  // namespace driftd::daemon
