/* COPY ... TO STDOUT (FORMAT binary), from libpq into the buffers of Arrow's arrays, without the GIL.
 *
 * What PostgreSQL sends stands in its manual (COPY, "Binary Format"), the buffers in Arrow's ("Columnar Format",
 * "Variable-size Binary Layout"). libpq is the one that psycopg2 brings: its functions come as addresses, so that
 * neither its headers nor a second copy of it is needed.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int (*GetCopyData)(void *connection, char **message, int async);
typedef void (*FreeMemory)(void *message);

enum { TEXT = 't', NUMBER = 'n', TIME = 'm' }; /* kinds of columns: utf8, int64, timestamp[us] */

static const char SIGNATURE[11] = "PGCOPY\n\377\r\n";
#define HEADER 19 /* bytes: signature, flags, length of an extension */
#define EPOCH 946684800000000 /* microseconds from 1970 to 2000, where PostgreSQL's times begin */

/* Microseconds that a time may be off; infinity, which is the largest number, and -infinity become it. A client's clock
 * shall not stop a harvest, and whoever reckons with it has room. */
#define FAR (INT64_C(1) << 61)

static const char NO_MEMORY[] = "";

typedef struct {
    char *at;
    size_t used, size; /* bytes */
} Buffer;

typedef struct {
    char kind;
    int64_t nulls;
    Buffer valid;  /* a bit a row */
    Buffer values; /* int64 a row; of TEXT int32, where each ends, after a 0 */
    Buffer text;
} Column;

/* Room for so many bytes more; where they lie, or NULL. */
static char *extend(Buffer *buffer, size_t bytes) {
    if (buffer->used + bytes > buffer->size) {
        size_t size = buffer->used + bytes + buffer->used; /* twice as large, at least */
        char *at = realloc(buffer->at, size);
        if (at == NULL) return NULL;
        buffer->at = at;
        buffer->size = size;
    }
    char *end = buffer->at + buffer->used;
    buffer->used += bytes;
    return end;
}

/* A signed number as the network sends it. */
static int64_t number(const unsigned char *at, size_t bytes) {
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | at[i];
    return (int64_t)value;
}

/* One value of a row; a length of -1 is null. Like the two below: NULL, or what is wrong. */
static const char *take_value(Column *column, int64_t row, const unsigned char *at, int64_t length) {
    if (row % 8 == 0) {
        char *bits = extend(&column->valid, 1);
        if (bits == NULL) return NO_MEMORY;
        *bits = 0;
    }
    if (length < 0) {
        column->nulls++;
    } else {
        column->valid.at[row / 8] |= (char)(1 << row % 8);
    }
    if (column->kind == TEXT) {
        if (length > 0) {
            char *text = extend(&column->text, (size_t)length);
            if (text == NULL) return NO_MEMORY;
            memcpy(text, at, (size_t)length);
        }
        if (column->text.used > INT32_MAX) return "a column has more than 2 GB";
        char *end = extend(&column->values, sizeof(int32_t));
        if (end == NULL) return NO_MEMORY;
        memcpy(end, &(int32_t){(int32_t)column->text.used}, sizeof(int32_t));
        return NULL;
    }
    int64_t value = 0;
    if (length >= 0) {
        if (length != 2 && length != 4 && length != 8) return "a number has not 2, 4 or 8 bytes";
        value = number(at, (size_t)length);
        if (column->kind == TIME) value = (value > FAR ? FAR : value < -FAR ? -FAR : value) + EPOCH;
    }
    char *end = extend(&column->values, sizeof value);
    if (end == NULL) return NO_MEMORY;
    memcpy(end, &value, sizeof value);
    return NULL;
}

static const char *take_row(Column *columns, size_t count, int64_t row, const unsigned char **at, int64_t *left) {
    if (number(*at, 2) != (int64_t)count) return "a row has another number of columns";
    *at += 2, *left -= 2;
    for (Column *column = columns; column < columns + count; column++) {
        if (*left < 4) return "a row is cut off";
        int64_t length = number(*at, 4);
        *at += 4, *left -= 4;
        if (length < -1 || length > *left) return "a value is cut off";
        const char *wrong = take_value(column, row, *at, length);
        if (wrong != NULL) return wrong;
        if (length > 0) *at += length, *left -= length;
    }
    return NULL;
}

/* What one message holds: mostly one row, before the first the header, at last the trailer. */
static const char *take_message(Column *columns, size_t count, int64_t *rows, const unsigned char *at, int64_t left) {
    if (left >= HEADER && memcmp(at, SIGNATURE, sizeof SIGNATURE) == 0) {
        int64_t header = HEADER + number(at + HEADER - 4, 4);
        if (header < HEADER || header > left) return "the header is cut off";
        at += header, left -= header;
    }
    while (left > 0) {
        if (left < 2) return "a row is cut off";
        if (number(at, 2) == -1) return NULL;
        const char *wrong = take_row(columns, count, *rows, &at, &left);
        if (wrong != NULL) return wrong;
        ++*rows;
    }
    return NULL;
}

static void free_owned(PyObject *owner) { free(PyCapsule_GetPointer(owner, NULL)); }

/* (address, bytes, owner): the memory goes with its owner. */
static PyObject *hand_over(Buffer *buffer) {
    if (buffer->at == NULL && extend(buffer, 1) != NULL) buffer->used = 0; /* a capsule holds no NULL */
    if (buffer->at == NULL) return PyErr_NoMemory();
    PyObject *owner = PyCapsule_New(buffer->at, NULL, free_owned);
    if (owner == NULL) return NULL;
    Py_ssize_t address = (Py_ssize_t)buffer->at, bytes = (Py_ssize_t)buffer->used;
    buffer->at = NULL;
    return Py_BuildValue("(nnN)", address, bytes, owner);
}

static PyObject *hand_over_all(Column *columns, size_t count) {
    PyObject *all = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; all != NULL && i < count; i++) {
        Column *column = &columns[i];
        PyObject *valid = hand_over(&column->valid), *values = valid ? hand_over(&column->values) : NULL;
        PyObject *text = values ? hand_over(&column->text) : NULL;
        PyObject *one = text ? Py_BuildValue("(LOOO)", (long long)column->nulls, valid, values, text) : NULL;
        Py_XDECREF(valid), Py_XDECREF(values), Py_XDECREF(text);
        if (one == NULL) {
            Py_CLEAR(all);
        } else {
            PyTuple_SET_ITEM(all, (Py_ssize_t)i, one);
        }
    }
    return all;
}

PyDoc_STRVAR(read_doc,
    "read(connection, get_copy_data, free_memory, kinds, room, most, /)\n--\n\n"
    "Rows of the COPY that a connection is in, up to about `most` bytes.\n\n"
    "Args:\n"
    "    connection, get_copy_data, free_memory: addresses of a PGconn, of PQgetCopyData and of PQfreemem.\n"
    "    kinds: of each column, t (text), n (a number) or m (a time).\n"
    "    room: bytes of text of each column to make room for at once.\n"
    "    most: bytes.\n\n"
    "Returns:\n"
    "    (rows, status, columns). Status as of PQgetCopyData: -1 at the end of the data, -2 when the server broke off,\n"
    "    otherwise there is more. A column is (nulls, valid, values, text), each of them (address, bytes, owner).\n\n"
    "Raises:\n"
    "    ValueError: what came is not what PostgreSQL sends for such columns.");

static PyObject *copy_read(PyObject *module, PyObject *args) {
    (void)module;
    Py_ssize_t connection, get_copy_data, free_memory, count, most;
    const char *kinds;
    PyObject *room;
    if (!PyArg_ParseTuple(args, "nnns#O!n:read", &connection, &get_copy_data, &free_memory, &kinds, &count,
                          &PyTuple_Type, &room, &most))
        return NULL;
    if (PyTuple_GET_SIZE(room) != count) {
        PyErr_Format(PyExc_ValueError, "room for %zd columns, where there are %zd", PyTuple_GET_SIZE(room), count);
        return NULL;
    }
    Column *columns = calloc((size_t)count + 1, sizeof *columns);
    if (columns == NULL) return PyErr_NoMemory();
    const char *wrong = NULL;
    PyObject *result = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        columns[i].kind = kinds[i];
        size_t expected = PyLong_AsSize_t(PyTuple_GET_ITEM(room, i));
        if (PyErr_Occurred()) goto done;
        if (expected && extend(&columns[i].text, expected) == NULL) wrong = NO_MEMORY;
        columns[i].text.used = 0;
        if (kinds[i] != TEXT) continue;
        char *start = extend(&columns[i].values, sizeof(int32_t));
        if (start == NULL) wrong = NO_MEMORY;
        else memset(start, 0, sizeof(int32_t));
    }

    int64_t rows = 0, taken = 0;
    int status = 0;
    Py_BEGIN_ALLOW_THREADS
    while (wrong == NULL && taken < most) {
        char *message = NULL;
        status = ((GetCopyData)get_copy_data)((void *)connection, &message, 0);
        if (status < 0) break;
        wrong = take_message(columns, (size_t)count, &rows, (const unsigned char *)message, status);
        ((FreeMemory)free_memory)(message);
        taken += status;
    }
    Py_END_ALLOW_THREADS

    if (wrong == NO_MEMORY) {
        PyErr_NoMemory();
    } else if (wrong != NULL) {
        PyErr_Format(PyExc_ValueError, "row %lld: %s", (long long)rows, wrong);
    } else {
        PyObject *all = hand_over_all(columns, (size_t)count);
        if (all != NULL) result = Py_BuildValue("(LiN)", (long long)rows, status, all);
    }
done:
    for (Py_ssize_t i = 0; i < count; i++) {
        free(columns[i].valid.at);
        free(columns[i].values.at);
        free(columns[i].text.at);
    }
    free(columns);
    return result;
}

static PyMethodDef methods[] = {{"read", copy_read, METH_VARARGS, read_doc}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_copy_reader", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC PyInit__copy_reader(void) { return PyModuleDef_Init(&definition); }
