namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Small valid inputs that between them use everything the reader knows.</summary>
internal static class FuzzSeeds
{
    /// <summary>Pickles about the storages "0" (40 numbers) and "1" (2 numbers).</summary>
    public static IReadOnlyList<byte[]> Pickles() =>
    [
        // Views of every kind, and an attribute, as PyTorch writes an OrderedDict.
        new PickleAssembler().Global("collections", "OrderedDict").EmptyTuple().Reduce().Put(0).Mark()
            .Text("all").Tensor("0", 40, 0, [4, 10], [10, 1])
            .Text("turned").Tensor("0", 40, 0, [10, 4], [1, 10])
            .Text("column").Tensor("0", 40, 3, [4], [10])
            .Text("expanded").Tensor("1", 2, 0, [3, 2], [0, 1])
            .Text("scalar").Tensor("1", 2, 1, [], [])
            .Text("empty").Tensor("1", 2, 0, [0, 4], [4, 1])
            .SetItems().EmptyDict().Text("_metadata").EmptyDict().Text(string.Empty).Int(1).SetItem().SetItem().Op('b').Stop().ToArray(),

        // Nested, with other things beside, remembered values, and a parameter.
        new PickleAssembler().EmptyDict().Put(0).Mark()
            .Text("epoch").Int(3).Text("loss").Op('G').Raw(0x3f, 0xe0, 0, 0, 0, 0, 0, 0).Text("args").Op(']').Int(70_000).Op('a').Mark().Bool(true).Op('N').Op('e')
            .Text("seed").Int(1L << 40).Text("raw").Raw((byte)'C', 2, 1, 2)
            .Text("state_dict").EmptyDict().Mark()
            .Text("w").Put(7).Global("torch._utils", "_rebuild_parameter").Tensor("0", 40, 0, [40], [1]).Bool(true).EmptyDict().Raw(0x87).Reduce()
            .Text("v").Tensor("1", 2, 0, [2], [1]).Put(8).Text("u").Get(8)
            .SetItems().SetItems().Stop().ToArray(),

        // Protocol 4: frames, names from the stack, and a type without a storage of its own.
        new PickleAssembler(4).Raw(0x95).UInt64(5).EmptyDict().Raw(0x94).Raw(0x8c, 1).Ascii("w").Raw(0x94)
            .Raw(0x8c, 12).Ascii("torch._utils").Raw(0x94).Raw(0x8c, 18).Ascii("_rebuild_tensor_v3").Raw(0x94).Raw(0x93).Raw(0x94)
            .Mark().Storage("1", 8, "UntypedStorage", "torch.storage").Int(0).Numbers(2, 2).Numbers(2, 1).Bool(false).EmptyDict().Global("torch", "uint16").Tuple().Reduce()
            .SetItem().Stop().ToArray(),
    ];

    /// <summary>Whole files: zip and legacy.</summary>
    public static IReadOnlyList<byte[]> Files() =>
    [
        .. Pickles().Select(p => StoredZip.Write(p, ("0", TorchFile.Floats(40)), ("1", TorchFile.Floats(2)))),
        TorchFile.Small(),
        Legacy(),
    ];

    /// <summary>A file in the format before PyTorch 1.6.</summary>
    public static byte[] Legacy() =>
    [
        .. new PickleAssembler().Raw(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19).Stop().ToArray(),
        .. new PickleAssembler().Op('M').Raw(0xe9, 0x03).Stop().ToArray(),
        .. new PickleAssembler().EmptyDict().Text("little_endian").Bool(true).SetItem().Stop().ToArray(),
        .. new PickleAssembler().EmptyDict().Text("w").Tensor("0", 6, 0, [2, 3], [3, 1]).SetItem().Stop().ToArray(),
        .. new PickleAssembler().Op(']').Text("0").Op('a').Stop().ToArray(),
        6, 0, 0, 0, 0, 0, 0, 0,
        .. TorchFile.Floats(6),
    ];
}
