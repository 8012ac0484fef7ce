#include "daemon/json_bytes.hpp"

#include "manifests/base64.hpp"
#include "manifests/escape.hpp"

namespace driftd::daemon {

std::string base64_of(const std::string& raw) {
  return manifests::to_base64({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()},
                              manifests::Base64::standard);
}

void put_bytes(boost::json::object& object, const std::string& key, const std::string& raw) {
  if (manifests::is_utf8(raw)) {
    object[key] = raw;
  } else {
    object[key] = manifests::escape(raw);
    object[key + "_base64"] = base64_of(raw);
  }
}

}  // namespace driftd::daemon
