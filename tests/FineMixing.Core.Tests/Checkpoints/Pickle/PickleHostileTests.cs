using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Pickle;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Pickles made by hand to run something, to read elsewhere, or to take all memory or time.</summary>
public class PickleHostileTests
{
    private static readonly Dictionary<string, (Func<PickleAssembler, PickleAssembler> Write, string Message)> Attacks = WriteAttacks();

    public static TheoryData<string> AttackNames => [.. Attacks.Keys];

    private static Dictionary<string, (Func<PickleAssembler, PickleAssembler> Write, string Message)> WriteAttacks()
    {
        var data = new Dictionary<string, (Func<PickleAssembler, PickleAssembler> Write, string Message)>();
        void Add(string name, Func<PickleAssembler, PickleAssembler> write, string message) => data.Add(name, (write, message));

        // Running code.
        Add("os.system", a => a.Global("os", "system").Mark().Text("touch PWNED").Tuple().Reduce().Stop(), "'os.system'");
        Add("posix.system", a => a.Global("posix", "system").Mark().Text("touch PWNED").Tuple().Reduce().Stop(), "'posix.system'");
        Add("builtins.eval", a => a.Global("builtins", "eval").Mark().Text("open('PWNED','w')").Tuple().Reduce().Stop(), "'builtins.eval'");
        Add("subprocess.Popen", a => a.Global("subprocess", "Popen").Mark().Text("touch PWNED").Tuple().Reduce().Stop(), "'subprocess.Popen'");
        Add("getattr of an allowed name", a => a.Global("builtins", "getattr").Mark().Global("collections", "OrderedDict").Text("__init__").Tuple().Reduce().Stop(), "'builtins.getattr'");
        Add("torch.load within", a => a.Global("torch", "load").Mark().Text("/etc/passwd").Tuple().Reduce().Stop(), "'torch.load'");
        Add("_load_from_bytes", a => a.Global("torch.storage", "_load_from_bytes").Mark().Raw((byte)'C', 1, 0).Tuple().Reduce().Stop(), "'torch.storage._load_from_bytes'");
        Add("numpy", a => a.Global("numpy.core.multiarray", "_reconstruct").Stop(), "'numpy.core.multiarray._reconstruct'");
        Add("STACK_GLOBAL", a => a.Text("os").Text("system").Raw(0x93).Stop(), "'os.system'");
        Add("STACK_GLOBAL with a path of attributes", a => a.Text("torch").Text("_utils._rebuild_tensor_v2").Raw(0x93).Stop(), "is not on the list");
        Add("STACK_GLOBAL with a split name", a => a.Text("collections.OrderedDict").Text("__class__").Raw(0x93).Stop(), "is not on the list");
        Add("STACK_GLOBAL of a number", a => a.Int(1).Int(2).Raw(0x93).Stop(), "is not text");
        Add("a name with a new line", a => a.Text("collections\n").Text("OrderedDict").Raw(0x93).Stop(), "is not on the list");
        Add("a name in other letters", a => a.Global("Collections", "OrderedDict").Stop(), "is not on the list");
        Add("an empty name", a => a.Global(string.Empty, string.Empty).Stop(), "is not on the list");
        Add("a name without end", a => a.Op('c').Ascii(new string('x', 100_000)), "does not end within");
        Add("INST", a => a.Mark().Text("touch PWNED").Op('i').Ascii("os\nsystem\n").Stop(), "INST");
        Add("OBJ", a => a.Mark().Global("collections", "OrderedDict").Op('o').Stop(), "OBJ");
        Add("NEWOBJ", a => a.Global("collections", "OrderedDict").EmptyTuple().Raw(0x81).Stop(), "NEWOBJ");
        Add("NEWOBJ_EX", a => a.Global("collections", "OrderedDict").EmptyTuple().EmptyDict().Raw(0x92).Stop(), "NEWOBJ_EX");
        Add("EXT1", a => a.Raw(0x82, 1).Stop(), "EXT1");
        Add("EXT2", a => a.Raw(0x83, 1, 0).Stop(), "EXT2");
        Add("EXT4", a => a.Raw(0x84, 1, 0, 0, 0).Stop(), "EXT4");
        Add("PERSID", a => a.Op('P').Ascii("storage\n").Stop(), "PERSID");
        Add("calling text", a => a.Text("os.system").EmptyTuple().Reduce().Stop(), "calls something");
        Add("calling a storage type", a => a.Global("torch", "FloatStorage").EmptyTuple().Reduce().Stop(), "calls something");
        Add("calling a dtype", a => a.Global("torch", "uint16").EmptyTuple().Reduce().Stop(), "calls something");
        Add("calling with a list", a => a.Global("collections", "OrderedDict").Op(']').Reduce().Stop(), "calls something");
        Add("OrderedDict with arguments", a => a.Global("collections", "OrderedDict").Numbers(1).Reduce().Stop(), "other arguments");
        Add("BUILD of a name", a => a.Global("collections", "OrderedDict").EmptyDict().Text("__reduce__").Int(1).SetItem().Op('b').Stop(), "attributes");
        Add("BUILD of a tensor", a => a.Tensor("0", 6, 0, [6], [1]).EmptyDict().Op('b').Stop(), "attributes");
        Add("BUILD with a tuple", a => a.EmptyDict().EmptyTuple().Op('b').Stop(), "attributes");
        Add("a persistent id of text", a => a.Text("../../etc/passwd").Op('Q').Stop(), "not stated as");
        Add("a persistent id of four", a => a.Mark().Text("storage").Global("torch", "FloatStorage").Text("0").Text("cpu").Tuple().Op('Q').Stop(), "not stated as");
        Add("a persistent id with a view", a => a.Mark().Text("storage").Global("torch", "FloatStorage").Text("0").Text("cpu").Int(1).Numbers(1, 2, 3).Tuple().Op('Q').Stop(), "not stated as");
        Add("a persistent id of another kind", a => a.Mark().Text("module").Global("torch", "FloatStorage").Text("0").Text("cpu").Int(1).Tuple().Op('Q').Stop(), "not stated as");
        Add("a storage of a dtype", a => a.Storage("0", 6, "uint16").Stop(), "not stated as");
        Add("a storage of a function", a => a.Storage("0", 6, "_rebuild_tensor_v2", "torch._utils").Stop(), "not stated as");
        Add("a storage of negative length", a => a.Storage("0", -1).Stop(), "not stated as");

        // Taking memory or time.
        Add("LONG4 of 2 GB", a => a.Raw(0x8b).UInt32(int.MaxValue).Stop(), "at most 255");
        Add("LONG4 of negative length", a => a.Raw(0x8b).UInt32(uint.MaxValue).Stop(), "at most 255");
        Add("a text of 4 GB", a => a.Op('X').UInt32(uint.MaxValue).Stop(), "a text of 4294967295 bytes");
        Add("a text of 2^64 bytes", a => a.Raw(0x8d).UInt64(ulong.MaxValue).Stop(), "a text of 18446744073709551615 bytes");
        Add("bytes of 2^64", a => a.Raw(0x8e).UInt64(ulong.MaxValue).Stop(), "ends before");
        Add("bytes of 4 GB", a => a.Op('B').UInt32(uint.MaxValue).Stop(), "ends before");
        Add("a frame of 2^63", a => a.Raw(0x95).UInt64(1UL << 63).Stop(), "a frame of");
        Add("a memo of 2^32", a => a.Int(1).Op('r').UInt32(uint.MaxValue).Stop(), "number 4294967295");
        Add("an unknown memo", a => a.Op('j').UInt32(uint.MaxValue).Stop(), "none was remembered");
        Add("100,000 open marks", a => a.Raw(Enumerable.Repeat((byte)'(', 100_000).ToArray()), "nested more than");
        Add("3,000,000 values", a => a.Raw(Enumerable.Repeat((byte)'N', 3_000_000).ToArray()), "values at once");
        Add("3,000,000 operations", a => a.Raw(Enumerable.Range(0, 3_000_000).Select(i => i % 2 == 0 ? (byte)'N' : (byte)'0').ToArray()), "operations");

        // Nonsense on the stack.
        Add("no STOP", a => a.EmptyDict(), "ends before");
        Add("STOP at once", a => a.Stop(), "no value");
        Add("values left over", a => a.Int(1).Int(2).Stop(), "left over");
        Add("a mark left over", a => a.Mark().EmptyDict().Stop(), "left over");
        Add("POP below a mark", a => a.Int(1).Mark().Op('0').Stop(), "no value");
        Add("TUPLE2 below a mark", a => a.Int(1).Int(2).Mark().Raw(0x86).Stop(), "needs 2 values");
        Add("TUPLE without mark", a => a.Int(1).Tuple().Stop(), "not opened");
        Add("SETITEM on a number", a => a.Int(1).Int(2).Int(3).SetItem().Stop(), "other than a dict");
        Add("SETITEMS of three", a => a.EmptyDict().Mark().Int(1).Int(2).Int(3).SetItems().Stop(), "do not come in pairs");
        Add("APPEND to a tuple", a => a.EmptyTuple().Int(1).Op('a').Stop(), "other than a list");
        Add("MEMOIZE of nothing", a => a.Raw(0x94).Stop(), "no value");
        Add("a text that is not UTF-8", a => a.Op('X').UInt32(2).Raw(0xC3, 0x28).Stop(), "not UTF-8");
        Add("a second PROTO", a => a.Raw(0x80, 2).EmptyDict().Stop(), "protocol");
        Add("an unknown opcode", a => a.Raw(0xFF).Stop(), "0xff");
        return data;
    }

    [Theory]
    [MemberData(nameof(AttackNames))]
    public void Load_HostilePickle_IsRefused(string name)
    {
        var (write, message) = Attacks[name];
        var pickle = write(new PickleAssembler()).ToArray();
        var exception = Assert.Throws<CheckpointFormatException>(() => RestrictedUnpickler.Load(pickle, out _, name));
        Assert.Contains(message, exception.Reason, StringComparison.Ordinal);
        Assert.False(File.Exists("PWNED"));
        TorchFile.Refused(TorchFile.Zip(pickle));
    }

    [Fact]
    public void Load_ManyTensorsOfOneTuple_StopsAtTheLimit()
    {
        var assembler = new PickleAssembler().EmptyDict()
            .Global("torch._utils", "_rebuild_tensor_v2").Put(0)
            .Mark().Storage("0", 6).Int(0).Numbers(6).Numbers(1).Bool(false).EmptyDict().Tuple().Put(1).Reduce();
        for (var i = 0; i < PickleLimits.Tensors; i++)
            assembler.Get(0).Get(1).Reduce().Op('0');
        var exception = Assert.Throws<CheckpointFormatException>(() => RestrictedUnpickler.Load(assembler.Stop().ToArray(), out _));
        Assert.Contains("more than 100000 tensors", exception.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_DictWithinItself_EndsAndHasNoTensors()
    {
        var pickle = new PickleAssembler().EmptyDict().Put(0).Text("state_dict").Get(0).SetItem().Stop().ToArray();
        Assert.Contains("no tensors", TorchFile.Refused(TorchFile.Zip(pickle)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_DoublingTuples_CostsNothing()
    {
        // A "billion laughs": each tuple holds the one before twice. Shared, never expanded.
        var assembler = new PickleAssembler().EmptyDict().Text("x").EmptyTuple();
        for (var i = 0; i < 200; i++)
            assembler.Op('2').Raw(0x86);
        var pickle = assembler.SetItem().Text("w").Tensor("0", 6, 0, [6], [1]).SetItem().Stop().ToArray();
        Assert.Equal(6, Assert.Single(TorchFile.Load(TorchFile.Zip(pickle, ("0", TorchFile.Floats(6)))).Tensors).ElementCount);
    }

    /// <summary>Name, storage type, stated storage length, offset, shape, strides, and part of the expected message (null: it is read).</summary>
    public static TheoryData<string, string, long, long, long[], long[], string?> Layouts() => new()
    {
        { "as it is", "FloatStorage", 6, 0, [2, 3], [3, 1], null },
        { "the last element alone", "FloatStorage", 6, 5, [1], [1], null },
        { "a scalar", "FloatStorage", 6, 5, [], [], null },
        { "nothing, far away", "FloatStorage", 6, 1000, [0, 4], [4, 1], null },
        { "expanded", "FloatStorage", 6, 2, [5, 3], [0, 1], null },
        { "as another type", "IntStorage", 6, 0, [6], [1], null },
        { "one element past the end", "FloatStorage", 6, 6, [1], [1], "last element is number 6 of a storage of 6" },
        { "a row past the end", "FloatStorage", 6, 1, [2, 3], [3, 1], "last element is number 6" },
        { "a stride past the end", "FloatStorage", 6, 0, [2, 3], [4, 1], "last element is number 6" },
        { "a scalar past the end", "FloatStorage", 6, 6, [], [], "last element is number 6" },
        { "an overflowing offset", "FloatStorage", 6, long.MaxValue, [1], [1], "begins at element" },
        { "a negative offset", "FloatStorage", 6, -1, [1], [1], "begins at element" },
        { "a negative size", "FloatStorage", 6, 0, [-1], [1], "the size of a tensor" },
        { "a negative stride", "FloatStorage", 6, 5, [2], [-1], "the stride of a tensor" },
        { "sizes whose product overflows", "FloatStorage", 6, 0, [1L << 40, 1L << 40], [0, 0], "overflows" },
        { "sizes whose product wraps to 6", "FloatStorage", 6, 0, [1L << 47, 1L << 47, 6], [0, 0, 1], "overflows" },
        { "strides whose product overflows", "FloatStorage", 6, 0, [3, 2], [1L << 47, 1L << 47], "last element" },
        { "expanded to a terabyte", "FloatStorage", 6, 0, [1L << 38], [0], "take more than" },
        { "17 dimensions", "FloatStorage", 6, 0, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "17 dimensions" },
        { "fewer strides than sizes", "FloatStorage", 6, 0, [2, 3], [1], "2 dimensions and 1 strides" },
        { "a storage longer than its entry", "FloatStorage", 7, 0, [6], [1], "stated as 28 bytes; the file holds 24" },
        { "a storage shorter than its entry", "FloatStorage", 5, 0, [5], [1], "stated as 20 bytes; the file holds 24" },
        { "a storage of wider elements", "DoubleStorage", 6, 0, [3], [1], "stated as 48 bytes; the file holds 24" },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Load_LayoutOfATensor_IsCheckedAgainstItsStorage(string name, string type, long storageLength, long offset, long[] shape, long[] strides, string? message)
    {
        var file = TorchFile.Zip(new PickleAssembler().EmptyDict().Text(name).Tensor("0", storageLength, offset, shape, strides, type).SetItem().Stop().ToArray(), ("0", TorchFile.Floats(6)));
        if (message is null)
            Assert.Equal(shape, Assert.Single(TorchFile.Load(file).Tensors).Shape);
        else
            Assert.Contains(message, TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ManyTensorsOfOneStorage_StopsBeforeTheyOutgrowTheFile()
    {
        // Each tensor alone is as large as the storage; together they would fill a disk.
        var assembler = new PickleAssembler().EmptyDict().Mark();
        for (var i = 0; i < 100; i++)
            assembler.Text($"w{i}").Tensor("0", 1 << 20, 0, [1 << 20], [1]);
        var file = TorchFile.Zip(assembler.SetItems().Stop().ToArray(), ("0", new byte[4 << 20]));
        Assert.Contains("shared and expanded tensors count each time", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("1")]
    [InlineData("")]
    public void Load_KeyOfNoEntry_IsNotAPath(string key)
    {
        var file = TorchFile.Zip(new PickleAssembler().EmptyDict().Text("w").Tensor(key, 6, 0, [6], [1]).SetItem().Stop().ToArray(), ("0", TorchFile.Floats(6)));
        Assert.Contains("not in the zip file", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TwoTensorsOfOneName_IsRefused()
    {
        var file = TorchFile.Zip(new PickleAssembler().EmptyDict().Mark().Text("w").Tensor("0", 6, 0, [6], [1]).Text("w").Tensor("0", 6, 0, [3], [1]).SetItems().Stop().ToArray(), ("0", TorchFile.Floats(6)));
        Assert.Contains("two tensors", TorchFile.Refused(file).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NameThatSteersATerminal_IsShownAsCodes()
    {
        var exception = Assert.Throws<CheckpointFormatException>(() => RestrictedUnpickler.Load(new PickleAssembler().Text("\u001b[2Jos").Text("\u202esystem").Raw(0x93).Stop().ToArray(), out _));
        Assert.Contains(@"\u001b[2Jos.\u202esystem", exception.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Load_LaterProtocols_AreRead(int protocol)
    {
        // Protocol 4 frames its bytes, names objects from the stack and numbers what it remembers by itself.
        var pickle = new PickleAssembler(protocol).Raw(0x95).UInt64(1).EmptyDict().Raw(0x94)
            .Raw(0x8c, 1).Ascii("w").Raw(0x94)
            .Raw(0x8c, 12).Ascii("torch._utils").Raw(0x94).Raw(0x8c, 18).Ascii("_rebuild_tensor_v2").Raw(0x94).Raw(0x93).Raw(0x94)
            .Mark().Storage("0", 6).Raw(0x94).Int(0).Numbers(6).Numbers(1).Bool(false).EmptyDict().Tuple().Reduce()
            .SetItem().Stop().ToArray();
        Assert.Equal(TorchFile.Floats(6), TorchFile.Load(TorchFile.Zip(pickle, ("0", TorchFile.Floats(6))))["w"].Bytes);
    }

    [Fact]
    public void Load_DTypeWithoutStorageType_IsReadThroughAnUntypedStorage()
    {
        var pickle = new PickleAssembler().EmptyDict().Text("w").Global("torch._utils", "_rebuild_tensor_v3").Mark()
            .Storage("0", 24, "UntypedStorage", "torch.storage").Int(1).Numbers(2, 5).Numbers(5, 1).Bool(false).EmptyDict().Global("torch", "uint16").Tuple().Reduce().SetItem().Stop().ToArray();
        var tensor = TorchFile.Load(TorchFile.Zip(pickle, ("0", TorchFile.Floats(6))))["w"];
        Assert.Equal(DType.U16, tensor.Info.DType);
        Assert.Equal(TorchFile.Floats(6)[2..22], tensor.Bytes);
    }
}
