using System.Buffers.Binary;
using System.Text;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Writes pickles opcode by opcode: the ones PyTorch writes, and the ones it never would.</summary>
internal sealed class PickleAssembler
{
    private readonly List<byte> _bytes = [];

    public PickleAssembler(int protocol = 2) => Raw(0x80, (byte)protocol);

    public byte[] ToArray() => [.. _bytes];

    public PickleAssembler Raw(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public PickleAssembler Op(char opcode) => Raw((byte)opcode);

    public PickleAssembler Stop() => Op('.');

    public PickleAssembler Mark() => Op('(');

    public PickleAssembler EmptyDict() => Op('}');

    public PickleAssembler EmptyTuple() => Op(')');

    public PickleAssembler Tuple() => Op('t');

    public PickleAssembler Reduce() => Op('R');

    public PickleAssembler SetItem() => Op('s');

    public PickleAssembler SetItems() => Op('u');

    public PickleAssembler Put(byte index) => Raw((byte)'q', index);

    public PickleAssembler Get(byte index) => Raw((byte)'h', index);

    public PickleAssembler Bool(bool value) => Raw(value ? (byte)0x88 : (byte)0x89);

    public PickleAssembler Global(string module, string name) => Op('c').Ascii($"{module}\n{name}\n");

    public PickleAssembler Ascii(string text) => Raw(Encoding.ASCII.GetBytes(text));

    public PickleAssembler Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Op('X').UInt32((uint)bytes.Length).Raw(bytes);
    }

    public PickleAssembler Int(long value)
    {
        if (value is >= 0 and <= 255)
            return Raw((byte)'K', (byte)value);
        if (value is >= int.MinValue and <= int.MaxValue)
            return Op('J').UInt32((uint)(int)value);
        return Raw(0x8a, 8).UInt64((ulong)value);
    }

    public PickleAssembler UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Raw(bytes.ToArray());
    }

    public PickleAssembler UInt64(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return Raw(bytes.ToArray());
    }

    public PickleAssembler Numbers(params long[] values)
    {
        Mark();
        foreach (var value in values)
            Int(value);
        return Tuple();
    }

    /// <summary>A storage, as PyTorch's persistent id.</summary>
    public PickleAssembler Storage(string key, long length, string type = "FloatStorage", string module = "torch") =>
        Mark().Text("storage").Global(module, type).Text(key).Text("cpu").Int(length).Tuple().Op('Q');

    /// <summary>A tensor, as PyTorch writes it.</summary>
    public PickleAssembler Tensor(string key, long storageLength, long offset, long[] shape, long[] strides, string type = "FloatStorage") =>
        Global("torch._utils", "_rebuild_tensor_v2").Mark()
            .Storage(key, storageLength, type).Int(offset).Numbers(shape).Numbers(strides).Bool(false)
            .Global("collections", "OrderedDict").EmptyTuple().Reduce()
            .Tuple().Reduce();
}
