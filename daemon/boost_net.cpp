// The non-template parts of Asio and Beast, see meson.build.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
