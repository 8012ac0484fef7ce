#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/trust.hpp"
#include "scanner/finding.hpp"

/// What the JSON documents share, so that a path or a finding reads the same in each.
namespace driftd::daemon {

boost::json::object finding_object(const scanner::Finding& finding);
boost::json::object unverified_object(const scanner::Unverified& unverified);
/// Of none: null. `now`, in seconds since 1970, is for its expiry.
boost::json::value manifest_value(const manifests::VerifiedManifest* manifest, std::int64_t now);

/// Prints a document in pieces that are values or members as a whole.
class JsonDocument {
 public:
  explicit JsonDocument(const Print& print) : print_(print) {}

  void put(std::string_view text) { print_(text); }
  void value(const boost::json::value& value) { put(manifests::escape_json(boost::json::serialize(value))); }
  /// Without the braces.
  void members(const boost::json::object& object) {
    const std::string text = manifests::escape_json(boost::json::serialize(object));
    put(std::string_view(text).substr(1, text.size() - 2));
  }
  /// A member that is an array, with one piece for each item.
  template <class Item, class Convert>
  void array(std::string_view key, const std::vector<Item>& items, Convert convert) {
    put("\"" + std::string(key) + "\":[");
    for (const Item& item : items) {
      if (&item != &items.front()) put(",");
      value(convert(item));
    }
    put("]");
  }

 private:
  const Print& print_;
};

}  // namespace driftd::daemon
