"""Names that a language brings along: keywords that grammars take for identifiers, built-ins, what every file may use.

Written out, not asked of the running Python: the same rows must give the same scores everywhere.
"""

from __future__ import annotations

_PYTHON = """
    self cls super __file__ __name__ __doc__ __all__ __class__ __builtins__ __debug__ _ print exec match case type
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError
    BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError
    ConnectionResetError DeprecationWarning EOFError Ellipsis EnvironmentError Exception ExceptionGroup False
    FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning
    IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError
    ModuleNotFoundError NameError None NotADirectoryError NotImplemented NotImplementedError OSError OverflowError
    PendingDeprecationWarning PermissionError ProcessLookupError PythonFinalizationError RecursionError ReferenceError
    ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError
    SystemExit TabError TimeoutError True TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError
    UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError __import__ abs aiter all anext
    any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex copyright credits delattr
    dict dir divmod enumerate eval exit filter float format frozenset getattr globals hasattr hash help hex id input int
    isinstance issubclass iter len license list locals map max memoryview min next object oct open ord pow property
    quit range repr reversed round set setattr slice sorted staticmethod str sum tuple vars zip
"""

_JAVASCRIPT = """
    undefined NaN Infinity globalThis window document console process global module exports require arguments this super
    eval isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape
    Object Function Boolean Symbol Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError
    URIError Number BigInt Math Date String RegExp Array Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array
    Int32Array Uint32Array BigInt64Array BigUint64Array Float32Array Float64Array Map Set WeakMap WeakSet WeakRef
    ArrayBuffer SharedArrayBuffer DataView Atomics JSON Promise Generator Reflect Proxy Intl Iterator
    setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate queueMicrotask structuredClone fetch
    URL URLSearchParams Headers Request Response FormData Blob File FileReader AbortController AbortSignal Event
    EventTarget CustomEvent TextEncoder TextDecoder WebSocket Worker localStorage sessionStorage navigator location
    history performance crypto alert confirm prompt requestAnimationFrame cancelAnimationFrame Node Element HTMLElement
    MutationObserver ResizeObserver IntersectionObserver Buffer __dirname __filename describe it test expect beforeEach
    afterEach beforeAll afterAll jest vi React h get set of async await from as static let type
"""

_TYPESCRIPT = """
    any unknown never void string number boolean object symbol bigint readonly keyof infer is asserts declare namespace
    Partial Required Readonly Record Pick Omit Exclude Extract NonNullable Parameters ConstructorParameters ReturnType
    InstanceType ThisType Awaited Uppercase Lowercase Capitalize Uncapitalize ReadonlyArray ReadonlyMap ReadonlySet
    PromiseLike ArrayLike Iterable IterableIterator AsyncIterable AsyncIterator PropertyKey JSX NodeJS T K V U P S R
    HTMLInputElement HTMLDivElement HTMLButtonElement MouseEvent KeyboardEvent unique abstract override
"""

_JAVA = """
    String Object Integer Long Short Byte Character Boolean Double Float Number Math StrictMath System Thread Runnable
    Iterable Comparable CharSequence StringBuilder StringBuffer Class ClassLoader Enum Record Void Process
    ProcessBuilder Runtime Exception RuntimeException Error Throwable ArithmeticException ArrayIndexOutOfBoundsException
    ArrayStoreException ClassCastException ClassNotFoundException CloneNotSupportedException IllegalAccessException
    IllegalArgumentException IllegalMonitorStateException IllegalStateException IndexOutOfBoundsException
    InstantiationException InterruptedException NegativeArraySizeException NoSuchFieldException NoSuchMethodException
    NullPointerException NumberFormatException SecurityException StringIndexOutOfBoundsException
    UnsupportedOperationException AssertionError OutOfMemoryError StackOverflowError AutoCloseable Cloneable Override
    Deprecated SuppressWarnings FunctionalInterface SafeVarargs ThreadLocal StackTraceElement Appendable Readable
    var record this super length java javax T E K V R U
"""

_GO = """
    append bool byte cap clear close complex complex64 complex128 copy delete error false float32 float64 imag int int8
    int16 int32 int64 iota len make max min new nil panic print println real recover rune string true uint uint8 uint16
    uint32 uint64 uintptr any comparable init main _ T K V E
"""

_RUST = """
    self Self super crate std core alloc bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize true
    false Option Some None Result Ok Err String Vec Box ToString ToOwned Into From TryFrom TryInto AsRef AsMut Default
    Iterator IntoIterator Extend DoubleEndedIterator ExactSizeIterator Clone Copy Send Sync Sized Drop Fn FnMut FnOnce
    PartialEq PartialOrd Eq Ord FromIterator Debug Hash Unpin drop println print eprintln eprint format vec panic
    assert assert_eq assert_ne debug_assert debug_assert_eq todo unimplemented unreachable write writeln dbg matches
    include_str include_bytes env concat stringify line file column cfg derive test macro_rules thread_local option_env
    compile_error module_path format_args fmt mem ptr T E K V U F I S
"""

_C = """
    NULL EOF true false stdin stdout stderr errno assert size_t ssize_t ptrdiff_t off_t time_t clock_t pid_t va_list
    va_start va_end va_arg va_copy offsetof FILE DIR int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t
    intptr_t uintptr_t intmax_t uintmax_t wchar_t INT_MAX INT_MIN UINT_MAX LONG_MAX LONG_MIN ULONG_MAX SIZE_MAX CHAR_BIT
    INT8_MAX INT16_MAX INT32_MAX INT64_MAX UINT8_MAX UINT16_MAX UINT32_MAX UINT64_MAX PATH_MAX DBL_MAX FLT_MAX M_PI
    EXIT_SUCCESS EXIT_FAILURE SEEK_SET SEEK_CUR SEEK_END main argc argv malloc calloc realloc free abort exit atexit
    printf fprintf sprintf snprintf vprintf vfprintf vsnprintf scanf fscanf sscanf puts fputs putc putchar fputc getc
    getchar fgetc gets fgets fopen fclose fread fwrite fflush fseek ftell rewind feof ferror perror remove rename
    memcpy memmove memset memcmp memchr strlen strnlen strcpy strncpy strcat strncat strcmp strncmp strcasecmp
    strncasecmp strchr strrchr strstr strtok strtok_r strdup strndup strerror strspn strcspn atoi atol atof strtol
    strtoul strtoll strtoull strtod isalpha isdigit isalnum isspace isupper islower isxdigit isprint ispunct toupper
    tolower abs labs fabs floor ceil sqrt pow exp log log2 log10 sin cos tan atan atan2 fmod round rand srand qsort
    bsearch time clock difftime localtime gmtime mktime strftime getenv setenv system signal raise open close read write
    lseek unlink fork execvp wait waitpid pipe dup2 sleep usleep getpid EINTR EAGAIN EINVAL ENOMEM ENOENT
    __func__ __FILE__ __LINE__ __FUNCTION__ __attribute__ inline restrict u8 u16 u32 u64 s8 s16 s32 s64
"""

_CPP = """
    std string vector map set pair unordered_map unordered_set array deque list tuple optional variant any function
    unique_ptr shared_ptr weak_ptr make_unique make_shared move forward swap cout cin cerr endl ostream istream
    stringstream ostringstream istringstream ifstream ofstream fstream string_view wstring size begin end exception
    runtime_error logic_error invalid_argument out_of_range numeric_limits initializer_list nullptr nullptr_t this
    thread mutex lock_guard unique_lock atomic future promise async chrono filesystem min max sort find to_string
    getline final override noexcept byte span T U K V Args _Tp
"""

_SETS = {
    "python": (_PYTHON,),
    "javascript": (_JAVASCRIPT,),
    "javascriptreact": (_JAVASCRIPT,),
    "typescript": (_JAVASCRIPT, _TYPESCRIPT),
    "typescriptreact": (_JAVASCRIPT, _TYPESCRIPT),
    "java": (_JAVA,),
    "go": (_GO,),
    "rust": (_RUST,),
    "c": (_C,),
    "cpp": (_C, _CPP),
}

LANGUAGE_NAMES: dict[str, frozenset[str]] = {
    language: frozenset(name for names in sets for name in names.split()) for language, sets in _SETS.items()
}
"""languageId → its names; one entry for each grammar."""
