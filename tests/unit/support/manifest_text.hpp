#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/digest.hpp"
#include "tests/unit/support/make_release.hpp"

/// A manifest as text, and ways to change it so that only the change itself is wrong.
namespace driftd::test {

/// Everything that the format can say. Its digests and the content id were computed by sha256sum and b3sum.
inline constexpr std::string_view kGolden = R"(#mtree v2.0
#driftd 1
#name: myapp
#release: v103-hotfix
#sequence: 1763719200
#created: 2026-11-21T10:00:00Z
#expires: 2027-02-19T10:00:00Z
#source: git+https://git.example/myapp@9fceb02d0ae598e95dc970b74767f19372d61af8
#artifact: myapp-9fceb02.tar.gz sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
#pipeline: https://ci.example/runs/42
#override: skip-tests
#override: emergency-deploy
#label: env=production
#mutable: var/cache/**
#mutable: **/__pycache__/**
#entries: 13
#content: blake3:b0b7aaa55473cface309dce72f26d5dcb86375cbd43cd305e71ad34311c2e38d
. type=dir
./app type=dir
./app/a\040name\012with\134odd\043\052\077\133]\377 type=file size=0
./app/views.py type=file size=15 sha256=6e61d2e4a7a0d1794be87b8cd7334fc912e7a47e16e04a7ae396cc66d03da62e tags=blake3:08d0dc440a17bc102d6972e39866714e7dbbf71215b9fb6634f1e829be5af472
./bin type=dir
./bin/ping type=file uname=root gname=root mode=0755 size=9 sha256=3c8d52d3dcc03550e250164e12c95ccfe364c0d951ea3c2a6faaf16a08bb5ff6 tags=blake3:93a16b17bd74bc9630865aedb092718f79c2a48f1e4d85ea3da26016144468d3,cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA
./bin/run type=file size=20 sha256=a277a3500d80d93c6b28ecbb66d1bfb3c80d65e8c8bd907075df0e903232a7ff tags=blake3:56f3140fbcee171280c754ea722b831ae22b674a6afeead642af714b841a4ba7,exec
./current type=link link=releases/103\040x
./etc type=dir uid=0 gid=4294967295 mode=01777 tags=acl:99b49eb24f6efe0abc6d79724793ae1e4fc507266dde9b4ac0b223056938faa6
./etc/local.conf type=file optional
./etc/secret type=file mode=04750 size=15 tags=blake3:08d0dc440a17bc102d6972e39866714e7dbbf71215b9fb6634f1e829be5af472,cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA,acl:99b49eb24f6efe0abc6d79724793ae1e4fc507266dde9b4ac0b223056938faa6 optional
./var type=dir
./var/cache type=dir optional ignore
)";

/// With their ends.
inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    lines.emplace_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return lines;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

/// Sets a header's value, where it is there.
inline void set_value(std::vector<std::string>& lines, std::string_view key, const std::string& value) {
  for (std::string& line : lines) {
    if (line.starts_with(key)) {
      line = std::string(key) + value + "\n";
      return;
    }
  }
}

/// Makes the content id fit again, so that a refusal is for the change itself.
inline std::string reseal(const std::string& text) {
  std::vector<std::string> lines = lines_of(text);
  std::string covered;
  bool in_body = false;
  for (const std::string& line : lines) {
    if (in_body || line.starts_with("#mutable: ")) covered += line;
    in_body = in_body || line.starts_with("#content: ");
  }
  set_value(lines, "#content: blake3:", manifests::to_hex(blake3_of(covered)));
  return joined(lines);
}

/// As reseal(), with a count that fits as well.
inline std::string recount(const std::string& text) {
  std::vector<std::string> lines = lines_of(text);
  const auto content =
      std::find_if(lines.begin(), lines.end(), [](const auto& line) { return line.starts_with("#content: "); });
  if (content != lines.end()) set_value(lines, "#entries: ", std::to_string(lines.end() - content - 1));
  return reseal(joined(lines));
}

}  // namespace driftd::test
