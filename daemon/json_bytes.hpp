#pragma once

#include <string>

#include <boost/json/object.hpp>

/// Bytes that need not be text, in JSON.
namespace driftd::daemon {

std::string base64_of(const std::string& raw);

/// Bytes that are UTF-8 stand exactly under `key`; others escaped there, and exactly under `key_base64`.
void put_bytes(boost::json::object& object, const std::string& key, const std::string& raw);

}  // namespace driftd::daemon
