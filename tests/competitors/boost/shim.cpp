// A value beside an interprocess_mutex in a Boost.Interprocess shared memory object, as its documentation shows it.

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <cstddef>
#include <cstring>
#include <new>

namespace bi = boost::interprocess;

struct alignas(64) Shared {
    bi::interprocess_mutex mutex;
    alignas(64) unsigned char value[1];
};

struct Handle {
    bi::shared_memory_object object;
    bi::mapped_region region;
    Shared *shared() const { return static_cast<Shared *>(region.get_address()); }
};

extern "C" {

void *boost_create(const char *name, const void *value, std::size_t len) try {
    auto *handle = new Handle{bi::shared_memory_object(bi::create_only, name, bi::read_write), {}};
    handle->object.truncate(static_cast<bi::offset_t>(sizeof(Shared) + len));
    handle->region = bi::mapped_region(handle->object, bi::read_write);
    new (&handle->shared()->mutex) bi::interprocess_mutex;
    std::memcpy(handle->shared()->value, value, len);
    return handle;
} catch (...) {
    return nullptr;
}

void *boost_open(const char *name) try {
    auto *handle = new Handle{bi::shared_memory_object(bi::open_only, name, bi::read_write), {}};
    handle->region = bi::mapped_region(handle->object, bi::read_write);
    return handle;
} catch (...) {
    return nullptr;
}

void *boost_lock(void *handle) {
    auto *shared = static_cast<Handle *>(handle)->shared();
    shared->mutex.lock();
    return shared->value;
}

void boost_unlock(void *handle) { static_cast<Handle *>(handle)->shared()->mutex.unlock(); }

void boost_close(void *handle) { delete static_cast<Handle *>(handle); }

void boost_remove(const char *name) { bi::shared_memory_object::remove(name); }
}
