"""System calls by number, on the two processors we know, from the kernel's own tables (asm/unistd_64.h, asm-generic/unistd.h).

Each word is name:x86-64:aarch64, `-` where that processor has none. Free of third parties: it is read inside as well.
"""

import ctypes
import platform

_ALLOWED = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 pwritev:296:70 lseek:8:62
close:3:57 close_range:436:436 openat:257:56 newfstatat:262:79 fstat:5:80 statx:332:291 statfs:137:43 fstatfs:138:44
getdents64:217:61 readlinkat:267:78 faccessat:269:48 faccessat2:439:439 mkdirat:258:34 unlinkat:263:35
renameat:264:38 renameat2:316:276 ftruncate:77:46 fallocate:285:47 fsync:74:82 fdatasync:75:83 fadvise64:221:223
sync_file_range:277:84 getcwd:79:17 chdir:80:49 fchdir:81:50 umask:95:166 dup:32:23 dup3:292:24
pipe2:293:59 ppoll:271:73 pselect6:270:72 epoll_create1:291:20 epoll_ctl:233:21 epoll_pwait:281:22
eventfd2:290:19 mmap:9:222 mprotect:10:226 munmap:11:215 mremap:25:216 madvise:28:233 brk:12:214 msync:26:227
mincore:27:232 membarrier:324:283 mbind:237:235 get_mempolicy:239:236 set_mempolicy:238:237 futex:202:98
futex_waitv:449:449 set_robust_list:273:99 get_robust_list:274:100 rseq:334:293 set_tid_address:218:96
sched_yield:24:124 sched_getaffinity:204:123 sched_setaffinity:203:122 sched_getparam:143:121
sched_getscheduler:145:120 sched_get_priority_max:146:125 sched_get_priority_min:147:126 rt_sigaction:13:134
rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136 rt_sigsuspend:130:133 rt_sigtimedwait:128:137
sigaltstack:131:132 tgkill:234:131 restart_syscall:219:128 clock_gettime:228:113 clock_getres:229:114
clock_nanosleep:230:115 nanosleep:35:101 gettimeofday:96:169 times:100:153 getitimer:36:102 setitimer:38:103
timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_delete:226:111 getpid:39:172 getppid:110:173
gettid:186:178 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150
getgroups:115:158 getpgid:121:155 getsid:124:156 uname:63:160 sysinfo:99:179 getrusage:98:165 getcpu:309:168
getrandom:318:278 wait4:61:260 waitid:247:95 exit:60:93 exit_group:231:94 open:2:- stat:4:-
lstat:6:- access:21:- readlink:89:- mkdir:83:- rmdir:84:- unlink:87:- rename:82:- dup2:33:- pipe:22:- poll:7:-
select:23:- epoll_create:213:- epoll_wait:232:- eventfd:284:- getdents:78:- alarm:37:- pause:34:- arch_prctl:158:-
time:201:- getrlimit:97:163
"""
_DENIED = """
io_uring_setup:425:425 userfaultfd:323:282 bpf:321:280 keyctl:250:219 add_key:248:217 ptrace:101:117
process_vm_readv:310:270 memfd_create:319:279 personality:135:92 kcmp:312:272 unshare:272:97 setns:308:268
mount:165:40 open_tree:428:428 fsopen:430:430 pivot_root:155:41 perf_event_open:298:241 pidfd_open:434:434
execve:59:221 execveat:322:281 socket:41:198 socketpair:53:199 setxattr:188:5 mknodat:259:33 symlinkat:266:36
linkat:265:37 fchmodat:268:53 init_module:175:105 kexec_load:246:104 reboot:169:142 inotify_init1:294:26
shmget:29:194 mq_open:240:180 setresuid:117:147 kill:62:129 flock:73:32
"""
_JUDGED = """
prlimit64:302:261 fcntl:72:25 ioctl:16:29 prctl:157:167 clone:56:220 clone3:435:435 seccomp:317:277 landlock_create_ruleset:444:444
landlock_add_rule:445:445 landlock_restrict_self:446:446 mount_setattr:442:442
"""
PROCESSORS = ("x86_64", "aarch64")


def _numbers(table: str, processor: str) -> dict[str, int]:
    column = 1 + PROCESSORS.index(processor)
    rows = (word.split(":") for word in table.split())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def is_known(processor: str = platform.machine()) -> bool:
    """Whether we know this processor's numbers."""
    return processor in PROCESSORS


def allowed(processor: str) -> dict[str, int]:
    """What training needs: files already open to it, memory, threads, time. Nothing that names another process."""
    return _numbers(_ALLOWED, processor)


def numbers(processor: str) -> dict[str, int]:
    """Every number that this page knows."""
    return _numbers(_ALLOWED + _DENIED + _JUDGED, processor)


def call(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call of this machine by name.

    Raises:
        OSError: it failed; `errno` says how.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = int(libc.syscall(ctypes.c_long(numbers(platform.machine())[name]), *words))
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result
