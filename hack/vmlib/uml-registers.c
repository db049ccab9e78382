/* LD_PRELOAD of user-mode Linux before 6.13: it hands ptrace a buffer for the floating point registers
   that is shorter than what newer processors have, and the kernel answers EFAULT. The rest is filled up
   with what the process has in its registers. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long set_registers(pid_t pid, void *kind, const struct iovec *given)
{
    static __thread char registers[16384] __attribute__((aligned(64)));
    struct iovec whole = {registers, sizeof registers};

    if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, kind, &whole) < 0)
        return -1;
    if (given->iov_len > whole.iov_len) {
        errno = EFAULT;
        return -1;
    }
    memcpy(registers, given->iov_base, given->iov_len);
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, kind, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        long word; /* the system call stores it, the C library returns it */
        if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
            return -1;
        errno = 0;
        return word;
    }
    long done = syscall(SYS_ptrace, request, pid, address, data);
    if (done < 0 && errno == EFAULT && request == PTRACE_SETREGSET)
        done = set_registers(pid, address, data);
    return done;
}
