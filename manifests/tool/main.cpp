#include <cstdio>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>
#include <sodium.h>

#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/version.hpp"

namespace driftd::manifests::tool {
namespace {

using Command = std::function<Result<void>()>;

CLI::App* add(CLI::App& app, const char* name, const char* what, Command& chosen, Command command) {
  CLI::App* sub = app.add_subcommand(name, what);
  sub->callback([&chosen, command = std::move(command)] { chosen = command; });
  return sub;
}

void add_keygen(CLI::App& app, KeygenOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "keygen", "make a key pair for signing releases", chosen, [&] { return keygen(options); });
  sub->add_option("-s,--secret-key", options.secret_key, "file for the secret key")->required()->type_name("FILE");
  sub->add_option("-p,--public-key", options.public_key, "file for the public key")->required()->type_name("FILE");
  CLI::Option* none =
      sub->add_flag("--no-password", options.no_password, "leave the secret key unencrypted (for CI secrets)");
  sub->add_option("--password-env", options.password_variable, "environment variable that holds the password")
      ->excludes(none)
      ->type_name("VAR");
}

void add_identity(CLI::App* sub, IdentityOptions& options) {
  sub->add_option("--release", options.release, "the release, as people name it")->required()->type_name("R");
  sub->add_option("--sequence", options.sequence, "a number that only grows, or 'now'")->required()->type_name("N|now");
  sub->add_option("--override", options.overrides, "a check that was skipped for this release")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  sub->add_option("--label", options.labels, "KEY=VALUE that hosts may require")
      ->allow_extra_args(false)
      ->type_name("K=V");
  sub->add_option("--expires", options.expires, "how long the release may stay, as in 90d")->type_name("TIME");
}

void add_header(CLI::App* sub, HeaderOptions& options) {
  sub->add_option("--name", options.name, "the product, as the hosts' configuration names it")
      ->required()
      ->type_name("NAME");
  add_identity(sub, options.identity);
  sub->add_option("--mutable", options.mutable_globs, "GLOB of paths that may appear or change")
      ->allow_extra_args(false)
      ->type_name("GLOB");
  sub->add_option("--mutable-from", options.mutable_files, "file with a GLOB a line")
      ->allow_extra_args(false)
      ->type_name("FILE");
  sub->add_option("--source", options.source_url, "where the source code is, as a URL with the commit")
      ->type_name("URL");
  sub->add_option("--pipeline", options.pipeline, "the CI run's URL")->type_name("URL");
}

void add_output(CLI::App* sub, std::string& output) {
  sub->add_option("-o,--output", output, "file to write (default: standard output)")->type_name("FILE");
}

void add_build(CLI::App& app, BuildOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "build", "list a directory as a release", chosen, [&] { return build(options); });
  sub->add_option("SOURCE", options.source, "the directory that will be deployed")->required()->type_name("");
  add_output(sub, options.output);
  add_header(sub, options.header);
  sub->add_option("--optional", options.optional_paths, "PATH that may be absent")
      ->allow_extra_args(false)
      ->type_name("PATH");
  sub->add_option_function<std::string>(
         "--mode",
         [&options](const std::string& mode) { options.mode = mode == "exact" ? ModePolicy::exact : ModePolicy::exec; },
         "exec: whether the owner may execute (default); exact: all bits")
      ->check(CLI::IsMember({"exec", "exact"}))
      ->type_name("exec|exact");
  sub->add_option("--owner", options.owner, "USER:GROUP, 'source' or 'none'")->type_name("WHO");
  sub->add_option_function<std::string>(
         "--digest",
         [&options](const std::string& list) {
           options.blake3 = list.find("blake3") != std::string::npos;
           options.sha256 = list.find("sha256") != std::string::npos;
         },
         "sha256,blake3 (default), or one of them")
      ->check(CLI::IsMember({"sha256,blake3", "blake3,sha256", "sha256", "blake3"}))
      ->type_name("LIST");
  sub->add_option("--threads", options.threads, "threads that hash (default: one a core)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}

void add_sign(CLI::App& app, SignOptions& options, Command& chosen) {
  CLI::App* sub = add(app, "sign", "sign a manifest into FILE.minisig", chosen, [&] { return sign(options); });
  sub->add_option("FILE", options.file, "the manifest")->required()->type_name("");
  CLI::Option_group* key = sub->add_option_group("key");
  key->add_option("-s,--secret-key", options.secret_key, "file with the secret key");
  key->add_option("--key-env", options.key_variable, "environment variable that holds the secret key file's text")
      ->type_name("VAR");
  key->require_option(1);
  sub->add_option("--password-env", options.password_variable, "environment variable that holds the key's password");
}

Result<void> unchosen() { return Error{ErrorCode::usage, "no command"}; }

int run(int argc, char** argv) {
  CLI::App app("Builds, signs and checks release manifests for driftd.", "driftd-manifest");
  app.set_version_flag("--version", std::string("driftd-manifest ") + kVersion);
  app.require_subcommand(1);
  Command chosen = unchosen;
  KeygenOptions keygen_options;
  BuildOptions build_options;
  SignOptions sign_options;
  std::string file;
  std::vector<std::string> public_keys;
  add_keygen(app, keygen_options, chosen);
  add_build(app, build_options, chosen);
  add_sign(app, sign_options, chosen);
  CLI::App* verify_command =
      add(app, "verify", "check a manifest and its signature", chosen, [&] { return verify(file, public_keys); });
  verify_command->add_option("-p,--public-key", public_keys, "trusted public key file")
      ->required()
      ->allow_extra_args(false);
  verify_command->add_option("FILE", file, "the manifest")->required();
  CLI::App* show_command = add(app, "show", "print what a manifest says", chosen, [&] { return show(file); });
  show_command->add_option("FILE", file, "the manifest")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help and --version
  } catch (const CLI::ParseError& error) {
    // CLI11 misses a command before it looks at what stands in its place.
    const auto unknown = app.remaining();
    const bool is_unknown = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !unknown.empty();
    const bool is_missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && app.get_subcommands().empty();
    const std::string message = is_unknown   ? "unknown command '" + unknown.front() + "'"
                                : is_missing ? "a command is missing"
                                             : error.what();
    std::fprintf(stderr, "driftd-manifest: %s (see driftd-manifest --help)\n", escape(message).c_str());
    return kExitUsage;
  }
  const auto done = chosen();
  if (done) return kExitClean;
  std::fprintf(stderr, "driftd-manifest: %s\n", done.error().message.c_str());
  return done.error().code == ErrorCode::usage ? kExitUsage : kExitUnknown;
}

}  // namespace
}  // namespace driftd::manifests::tool

int main(int argc, char** argv) {
  if (sodium_init() < 0) {
    std::fputs("driftd-manifest: libsodium cannot be initialised\n", stderr);
    return driftd::manifests::kExitUnknown;
  }
  return driftd::manifests::tool::run(argc, argv);
}
