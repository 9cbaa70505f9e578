using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>Runs the part of Python's pickle language that describes a state dict, and nothing else.</summary>
/// <remarks>
/// A pickle is a program for a small stack machine. Here it can make numbers, texts, tuples, lists and dicts, and "call" only the few names of
/// <see cref="PickleGlobal"/>, each of which is a case of a switch in this file: no Python name is ever turned into code, a type or a path.
/// The opcodes are those of protocols 2 to 5 that PyTorch's own pickler writes; all others are refused by name.
/// (Python documentation, "pickletools": opcode table.)
/// </remarks>
internal ref struct RestrictedUnpickler
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly string? _file;
    private readonly long _fileOffset;
    private readonly List<object?> _stack = [];
    private readonly Stack<int> _marks = new();
    private readonly Dictionary<int, object?> _memo = [];
    private readonly ICollection<PickleStorage>? _storages;
    private int _position;
    private int _start;
    private int _opcodes;
    private int _tensors;

    private RestrictedUnpickler(ReadOnlySpan<byte> bytes, string? file, long fileOffset, ICollection<PickleStorage>? storages)
    {
        _bytes = bytes;
        _storages = storages;
        _file = file;
        _fileOffset = fileOffset;
    }

    /// <summary>Runs one pickle.</summary>
    /// <param name="bytes">Begins with the pickle; what follows its STOP is not looked at.</param>
    /// <param name="length">The number of bytes of the pickle.</param>
    /// <param name="file">The file, for messages.</param>
    /// <param name="fileOffset">Where the bytes begin in the file, for messages.</param>
    /// <param name="storages">Gets every storage the pickle mentions, where that is wanted.</param>
    /// <returns>The value it describes.</returns>
    /// <exception cref="CheckpointFormatException">It is damaged, asks for anything that is not on the list, or for too much.</exception>
    public static object? Load(ReadOnlySpan<byte> bytes, out int length, string? file = null, long fileOffset = 0, ICollection<PickleStorage>? storages = null)
    {
        var machine = new RestrictedUnpickler(bytes, file, fileOffset, storages);
        var value = machine.Run();
        length = machine._position;
        return value;
    }

    private object? Run()
    {
        if (_bytes.Length < 2 || _bytes[0] != 0x80)
            throw Broken("this is not a pickle of protocol 2 or later");
        while (true)
        {
            _start = _position;
            if (++_opcodes > PickleLimits.Opcodes)
                throw Broken($"the pickle has more than {PickleLimits.Opcodes} operations");
            var opcode = Byte();
            switch (opcode)
            {
                case 0x80: // PROTO
                    var protocol = Byte();
                    if (_start != 0 || protocol is < 2 or > 5)
                        throw Broken($"a pickle of protocol {protocol}; 2 to 5 are read");
                    break;
                case 0x95: // FRAME: only announces that so many bytes follow
                    var frame = UInt64();
                    if (frame > (ulong)(_bytes.Length - _position))
                        throw Broken($"a frame of {frame} bytes, where {_bytes.Length - _position} are left");
                    break;
                case (byte)'.': // STOP
                    var result = Pop();
                    if (_stack.Count != 0 || _marks.Count != 0)
                        throw Broken("the pickle ends with values left over");
                    return result;

                case (byte)'(': // MARK
                    if (_marks.Count == PickleLimits.Depth)
                        throw Broken($"containers nested more than {PickleLimits.Depth} deep");
                    _marks.Push(_stack.Count);
                    break;
                case (byte)'0': // POP
                    Pop();
                    break;
                case (byte)'1': // POP_MARK
                    PopToMark();
                    break;
                case (byte)'2': // DUP
                    Push(Peek());
                    break;

                case (byte)'N': // NONE
                    Push(null);
                    break;
                case 0x88: // NEWTRUE
                    Push(true);
                    break;
                case 0x89: // NEWFALSE
                    Push(false);
                    break;
                case (byte)'J': // BININT
                    Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                    break;
                case (byte)'K': // BININT1
                    Push((long)Byte());
                    break;
                case (byte)'M': // BININT2
                    Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                    break;
                case 0x8a: // LONG1
                    Push(Integer(Byte()));
                    break;
                case 0x8b: // LONG4
                    Push(Integer(BinaryPrimitives.ReadInt32LittleEndian(Take(4))));
                    break;
                case (byte)'G': // BINFLOAT
                    Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                    break;

                case (byte)'X': // BINUNICODE
                    Push(Text(UInt32()));
                    break;
                case 0x8c: // SHORT_BINUNICODE
                    Push(Text(Byte()));
                    break;
                case 0x8d: // BINUNICODE8
                    Push(Text(UInt64()));
                    break;
                case (byte)'U': // SHORT_BINSTRING: the text of Python 2
                    Push(Text(Byte()));
                    break;
                case (byte)'T': // BINSTRING
                    Push(Text(UInt32()));
                    break;
                case (byte)'C': // SHORT_BINBYTES
                    Skip(Byte());
                    Push(PickleOpaque.Bytes);
                    break;
                case (byte)'B': // BINBYTES
                    Skip(UInt32());
                    Push(PickleOpaque.Bytes);
                    break;
                case 0x8e: // BINBYTES8
                    Skip(UInt64());
                    Push(PickleOpaque.Bytes);
                    break;

                case (byte)')': // EMPTY_TUPLE
                    Push(PickleTuple.Empty);
                    break;
                case 0x85: // TUPLE1
                    Push(new PickleTuple(PopMany(1)));
                    break;
                case 0x86: // TUPLE2
                    Push(new PickleTuple(PopMany(2)));
                    break;
                case 0x87: // TUPLE3
                    Push(new PickleTuple(PopMany(3)));
                    break;
                case (byte)'t': // TUPLE
                    Push(new PickleTuple(PopToMark()));
                    break;
                case (byte)']': // EMPTY_LIST
                    Push(new PickleList());
                    break;
                case (byte)'a': // APPEND
                    Append(PopMany(1));
                    break;
                case (byte)'e': // APPENDS
                    Append(PopToMark());
                    break;
                case (byte)'}': // EMPTY_DICT
                    Push(new PickleDict());
                    break;
                case (byte)'s': // SETITEM
                    SetItems(PopMany(2));
                    break;
                case (byte)'u': // SETITEMS
                    SetItems(PopToMark());
                    break;

                case (byte)'q': // BINPUT
                    Remember(Byte());
                    break;
                case (byte)'r': // LONG_BINPUT
                    Remember(UInt32());
                    break;
                case 0x94: // MEMOIZE
                    Remember((uint)_memo.Count);
                    break;
                case (byte)'h': // BINGET
                    Push(Recall(Byte()));
                    break;
                case (byte)'j': // LONG_BINGET
                    Push(Recall(UInt32()));
                    break;

                case (byte)'c': // GLOBAL
                    Push(Global(Line(), Line()));
                    break;
                case 0x93: // STACK_GLOBAL
                    var names = PopMany(2);
                    Push(names is [string module, string name] ? Global(module, name) : throw Broken("the name of a Python object is not text"));
                    break;
                case (byte)'Q': // BINPERSID
                    Push(Storage(Pop()));
                    break;
                case (byte)'R': // REDUCE
                    var call = PopMany(2);
                    Push(call is [PickleGlobal { Callable: not PickleCallable.None } callee, PickleTuple arguments]
                        ? Call(callee, arguments.Items)
                        : throw Broken("the pickle calls something that is not one of the constructors a state dict needs; nothing was run"));
                    break;
                case (byte)'b': // BUILD: attributes of an OrderedDict (PyTorch's _metadata); of no use here
                    var state = Pop();
                    if (Peek() is not PickleDict || state is not PickleDict)
                        throw Broken("the pickle sets the attributes of something other than a dict; nothing was run");
                    break;

                default:
                    throw Broken($"the pickle uses the operation {NameOf(opcode)}, which a state dict does not need; nothing was run");
            }
        }
    }

    private PickleGlobal Global(string module, string name) => PickleGlobal.Find(module, name) ?? throw Broken(
        $"the pickle asks for the Python object {PickleText.Quote($"{module}.{name}")}, which is not on the list of what a state dict needs; nothing was run. "
        + "If the file is a whole training run or model object, save its state dict alone, best as safetensors");

    private PickleStorage Storage(object? id)
    {
        // ("storage", type, key, device, length); the legacy format adds None, or the part of another storage this one is.
        if (id is not PickleTuple { Items: ["storage", PickleGlobal { IsStorage: true } type, string key, string, long length, .. var more] }
            || more is not ([] or [null]) || length is < 0 or > PickleLimits.Number || key.Length > PickleLimits.StorageKey)
            throw Broken("a storage is not stated as ('storage', type, key, device, length)");
        var storage = new PickleStorage(key, type.DType, length);
        _storages?.Add(storage);
        return storage;
    }

    private object Call(PickleGlobal callee, object?[] arguments)
    {
        switch (callee.Callable)
        {
            case PickleCallable.OrderedDict when arguments is []:
                return new PickleDict();
            case PickleCallable.TorchSize when arguments is [PickleTuple size]:
                return size;
            case PickleCallable.RebuildParameter when arguments is [PickleTensor tensor, bool, PickleDict or null]:
                return tensor;
            case PickleCallable.RebuildTensorV2 when arguments is
                [PickleStorage { ElementType: { } dtype } storage, long offset, PickleTuple shape, PickleTuple strides, bool, PickleDict or null, .. { Length: <= 1 }]:
                return Tensor(storage, dtype, offset, shape, strides);
            case PickleCallable.RebuildTensorV3 when arguments is
                [PickleStorage storage, long offset, PickleTuple shape, PickleTuple strides, bool, PickleDict or null, PickleGlobal { IsStorage: false, DType: { } dtype }, .. { Length: <= 1 }]:
                return Tensor(storage, dtype, offset, shape, strides);
            default:
                throw Broken($"{callee.Name} is called with other arguments than PyTorch writes");
        }
    }

    private PickleTensor Tensor(PickleStorage storage, DType dtype, long offset, PickleTuple shape, PickleTuple strides)
    {
        if (++_tensors > PickleLimits.Tensors)
            throw Broken($"the pickle builds more than {PickleLimits.Tensors} tensors");
        if (shape.Items.Length > PickleLimits.Rank || strides.Items.Length != shape.Items.Length)
            throw Broken($"a tensor has {shape.Items.Length} dimensions and {strides.Items.Length} strides; they must be as many, and at most {PickleLimits.Rank}");
        if (offset is < 0 or > PickleLimits.Number)
            throw Broken($"a tensor begins at element {offset}");
        return new PickleTensor(storage, dtype, offset, Numbers(shape.Items, "size"), Numbers(strides.Items, "stride"));
    }

    private readonly long[] Numbers(object?[] items, string what)
    {
        var numbers = new long[items.Length];
        for (var i = 0; i < items.Length; i++)
            numbers[i] = items[i] is long and >= 0 and <= PickleLimits.Number and var number ? number : throw Broken($"the {what} of a tensor is not a number from 0 to {PickleLimits.Number}");
        return numbers;
    }

    private void Append(object?[] items)
    {
        if (Peek() is not PickleList list)
            throw Broken("values are appended to something other than a list");
        foreach (var item in items)
            list.Add(item);
    }

    private void SetItems(object?[] items)
    {
        if (Peek() is not PickleDict dict || items.Length % 2 != 0)
            throw Broken("keys and values are set in something other than a dict, or do not come in pairs");
        for (var i = 0; i < items.Length; i += 2)
            dict.Set(items[i], items[i + 1]);
    }

    private void Remember(uint index)
    {
        if (index >= PickleLimits.Memo)
            throw Broken($"the value number {index} is remembered; at most {PickleLimits.Memo} are");
        _memo[(int)index] = Peek();
    }

    private readonly object? Recall(uint index) => index < PickleLimits.Memo && _memo.TryGetValue((int)index, out var value)
        ? value
        : throw Broken($"the value number {index} is used, but none was remembered under it");

    private readonly void Push(object? value)
    {
        if (_stack.Count == PickleLimits.Stack)
            throw Broken($"more than {PickleLimits.Stack} values at once");
        _stack.Add(value);
    }

    private readonly int Available => _stack.Count - (_marks.TryPeek(out var mark) ? mark : 0);

    private readonly object? Peek() => Available > 0 ? _stack[^1] : throw Broken("an operation finds no value to work on");

    private readonly object? Pop()
    {
        var value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private readonly object?[] PopMany(int count)
    {
        if (Available < count)
            throw Broken($"an operation needs {count} values and finds {Available}");
        var items = new object?[count];
        _stack.CopyTo(_stack.Count - count, items, 0, count);
        _stack.RemoveRange(_stack.Count - count, count);
        return items;
    }

    private readonly object?[] PopToMark()
    {
        if (_marks.Count == 0)
            throw Broken("a container is closed that was not opened");
        var count = Available;
        _marks.Pop();
        return PopMany(count);
    }

    private byte Byte() => Take(1)[0];

    private uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    private object Integer(int length)
    {
        if (length is < 0 or > PickleLimits.IntegerBytes)
            throw Broken($"an integer of {length} bytes; at most {PickleLimits.IntegerBytes} are read");
        var value = new BigInteger(Take(length));
        return value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;
    }

    private string Text(ulong length)
    {
        if (length > PickleLimits.TextBytes)
            throw Broken($"a text of {length} bytes; at most {PickleLimits.TextBytes} are read");
        var bytes = Take((int)length);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Broken("a text is not UTF-8");
    }

    private string Line()
    {
        var rest = _bytes[_position..];
        var length = rest[..Math.Min(rest.Length, PickleLimits.GlobalNameBytes + 1)].IndexOf((byte)'\n');
        if (length < 0)
            throw Broken($"the name of a Python object does not end within {PickleLimits.GlobalNameBytes} bytes");
        var text = Text((ulong)length);
        _position++;
        return text;
    }

    private void Skip(ulong length)
    {
        if (length > int.MaxValue)
            throw Broken($"the pickle ends before the {length} bytes it announces");
        Take((int)length);
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - _position)
            throw Broken($"the pickle ends before the {count} bytes of this operation");
        var taken = _bytes.Slice(_position, count);
        _position += count;
        return taken;
    }

    private static string NameOf(byte opcode) => opcode switch
    {
        (byte)'i' => "INST",
        (byte)'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        (byte)'P' => "PERSID",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"0x{opcode:x2}"),
    };

    private readonly CheckpointFormatException Broken(string reason) => new(reason, _file, _fileOffset + _start);
}
