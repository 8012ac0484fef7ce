#include <sys/sysmacros.h>

#include <initializer_list>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/process_texts.hpp"

using namespace driftd::scanner;
using Words = std::vector<std::string>;

TEST_CASE("stat is read behind the last parenthesis, for a name may look like what follows") {
  const std::string tail = " S 17 5 5 34816 5 0 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n";
  for (const std::string name : {"(sh)", "(a) R 99 (b)", "(\n)"}) {
    CAPTURE(name);
    const auto stat = parse_process_stat("123 " + name + tail);
    REQUIRE(stat);
    CHECK("(" + stat->name + ")" == name);
    CHECK(stat->parent == 17);
    CHECK(stat->terminal == 34816);
    CHECK(stat->started == 987654);
  }
  for (const std::string text : {"", "123 (sh", "123 (sh) S", "123 (sh) S x 5 5 0 5 0 1 2 3 4 5 6 7 8 20 0 1 0 9 1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_process_stat(text));
  }
}

TEST_CASE("status gives the effective user, and whether the process is in a container") {
  const auto status = parse_process_status("Name:\tsh\nUid:\t1000\t0\t1\t2\nNSpid:\t77\n");
  REQUIRE(status);
  CHECK(status->effective_uid == 0);
  CHECK(status->has_several_users);
  CHECK_FALSE(parse_process_status("Uid:\t7\t7\t7\t7\n")->has_several_users);
  CHECK_FALSE(status->is_contained);
  CHECK(status->threads == 1);
  CHECK(parse_process_status("Uid:\t7\t7\t7\t7\nThreads:\t12\n")->threads == 12);
  CHECK(parse_process_status("Uid:\t1\t2\t3\t4\nNSpid:\t77\t1\n")->is_contained);
  CHECK_FALSE(parse_process_status("Name:\tsh\n"));
  CHECK_FALSE(parse_process_status("Uid:\tx\tx\tx\tx\n"));
}

namespace {

template <class Word>
std::string pairs(std::initializer_list<Word> words) {
  std::string bytes;
  for (const Word word : words) bytes.append(reinterpret_cast<const char*>(&word), sizeof word);  // NOLINT: as bytes
  return bytes;
}

}  // namespace

TEST_CASE("the user that a program began with, in words of 64 and of 32 bits") {
  CHECK(parse_first_uid(pairs<std::uint64_t>({33, 7, 11, 1000, 12, 65534, 13, 5, 0, 0})) == 65534U);
  CHECK(parse_first_uid(pairs<std::uint32_t>({33, 7, 11, 1000, 12, 65534, 13, 5, 0, 0})) == 65534U);
  CHECK(parse_first_uid(pairs<std::uint64_t>({12, 0, 0, 0})) == 0U);
  for (const std::string& text : {std::string(), pairs<std::uint64_t>({11, 1000, 0, 0}), std::string("12"),
                                  pairs<std::uint64_t>({12, std::uint64_t{1} << 32})}) {
    CHECK_FALSE(parse_first_uid(text));
  }
}

TEST_CASE("the number that was given last") {
  CHECK(parse_latest_pid("0.20 0.18 0.12 1/80 11206\n") == 11206);
  for (const char* text : {"", "1", "0.20 0.18 0.12 1/80 x\n", "0.20 0.18 0.12 1/80\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_latest_pid(text));
  }
}

TEST_CASE("terminals") {
  CHECK(terminal_name(0).empty());
  CHECK(terminal_name(static_cast<std::uint32_t>(makedev(136, 0))) == "pts/0");
  CHECK(terminal_name(static_cast<std::uint32_t>(makedev(136, 1234))) == "pts/1234");
  CHECK(terminal_name(static_cast<std::uint32_t>(makedev(4, 1))) == "tty1");
  CHECK(terminal_name(static_cast<std::uint32_t>(makedev(4, 64))) == "ttyS0");
  CHECK(terminal_name(static_cast<std::uint32_t>(makedev(204, 64))) == "204:64");
}

TEST_CASE("an unset login is nobody's, not root's") {
  CHECK(parse_set_number("0") == 0U);
  CHECK(parse_set_number("1000\n") == 1000U);
  for (const std::string text : {"4294967295", "", "-1", "x", "1 2", "4294967296"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_set_number(text));
  }
}

TEST_CASE("units and containers by control group") {
  const std::string id(64, 'a');
  struct Case {
    std::string text;
    std::string unit;
    std::string container;
  };
  for (const Case& one : std::vector<Case>{
           {"0::/system.slice/cron.service\n", "cron.service", ""},
           {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope", ""},
           // Below it, groups are the user's to name.
           {"0::/user.slice/user-1000.slice/user@1000.service/ssh.service\n", "user@1000.service", ""},
           {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/" + id + "\n", "user@1000.service", ""},
           {"0::/user.slice/user-1000.slice/user@1000.service/lxc/web\n", "user@1000.service", ""},
           {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service", ""},
           {"0::/init.scope\n", "init.scope", ""},
           {"0::/my.service.d/x.service\n", "", ""},
           {"0::/\n", "", ""},
           {"", "", ""},
           {"5:pids:/x\n1:name=systemd:/system.slice/ssh.service\n0::/\n", "ssh.service", ""},
           {"0::/system.slice/docker-" + id + ".scope\n", "docker-" + id + ".scope", id},
           {"0::/docker/" + id + "\n", "", id},
           {"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n",
            "cri-containerd-" + id + ".scope", id},
           {"0::/lxc.payload.web/system.slice/nginx.service\n", "", "web"},
           {"0::/../../system.slice/x.service\n", "", ""},
       }) {
    CAPTURE(one.text);
    const ControlGroup group = parse_control_group(one.text);
    CHECK(group.unit == one.unit);
    CHECK(group.container == one.container);
  }
}

TEST_CASE("command lines are cut, and never within a character") {
  using namespace std::string_literals;
  CHECK(parse_command_line("").words.empty());
  CHECK(parse_command_line("a\0\0b c\0"s).words == Words{"a", "", "b c"});
  CHECK_FALSE(parse_command_line("a\0\0b c\0"s).is_cut);
  CHECK(parse_command_line("title without end").words == Words{"title without end"});

  const Arguments long_word = parse_command_line(std::string(81, 'x') + "\0y\0"s);
  CHECK(long_word.words == Words{std::string(80, 'x'), "y"});
  CHECK(long_word.is_cut);

  std::string letters = "x";
  while (letters.size() < 100) letters += "\xc3\xa4";
  CHECK(parse_command_line(letters).words == Words{letters.substr(0, 79)});

  std::string many;
  for (int i = 0; i < 30; ++i) many += "w\0"s;
  CHECK(parse_command_line(many).words.size() == kMostArguments);
  CHECK(parse_command_line(many).is_cut);

  std::string much;
  for (int i = 0; i < 10; ++i) much += std::string(70, 'z') + "\0"s;
  std::size_t total = 0;
  for (const std::string& word : parse_command_line(much).words) total += word.size();
  CHECK(total == kLongestCommandLine);
  CHECK(parse_command_line(much).is_cut);
}

TEST_CASE("sockets that listen or are connected, with addresses as people write them") {
  const std::string text =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100\n"
      "   1: 0100007F:0016 0700020A:C001 01 00000000:00000000 02:00000000 00000000     0        0 12 1 0 20\n"
      "   2: 0100007F:0016 0700020A:C002 06 00000000:00000000 03:00000000 00000000     0        0 13 1 0 20\n"
      "   3: nonsense\n"
      "   4: 0:0 0000000000000000FFFF00000700020A:C003 01 0:0 0:0 0 0 0 14 1\n"
      "   5: 0:0 B80D0120000000000000000001000000:C004 01 0:0 0:0 0 0 0 15 1\n"
      "   6: 0:0 XX:C004 01 0:0 0:0 0 0 0 16 1\n";
  std::vector<std::tuple<std::uint64_t, int, bool, std::string>> found;
  for (const TcpSocket& one : parse_tcp_sockets(text)) found.emplace_back(one.inode, one.port, one.listens, one.remote);
  const std::vector<std::tuple<std::uint64_t, int, bool, std::string>> expected{
      {11, 22, true, ""}, {12, 22, false, "10.2.0.7"}, {14, 0, false, "10.2.0.7"}, {15, 0, false, "2001:db8::1"}};
  CHECK(found == expected);
}
