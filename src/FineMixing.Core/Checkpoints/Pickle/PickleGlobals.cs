using System.Collections.Frozen;

namespace FineMixing.Checkpoints.Pickle;

/// <summary>What the name of a Python object stands for here.</summary>
internal enum PickleCallable
{
    None,
    OrderedDict,
    TorchSize,
    RebuildTensorV2,
    RebuildTensorV3,
    RebuildParameter,
}

/// <summary>One entry of the closed list of Python names a pickle may mention.</summary>
/// <param name="Name">The Python name.</param>
/// <param name="Callable">What it builds when called.</param>
/// <param name="IsStorage">True for the types of storages.</param>
/// <param name="DType">The element type of a storage, or the type a dtype names; null for the untyped storage.</param>
internal sealed record PickleGlobal(string Name, PickleCallable Callable = PickleCallable.None, bool IsStorage = false, DType? DType = null)
{
    private static readonly FrozenDictionary<string, PickleGlobal> Allowed = new PickleGlobal[]
    {
        new("collections.OrderedDict", PickleCallable.OrderedDict),
        new("torch.Size", PickleCallable.TorchSize),
        new("torch._utils._rebuild_tensor_v2", PickleCallable.RebuildTensorV2),
        new("torch._utils._rebuild_tensor_v3", PickleCallable.RebuildTensorV3),
        new("torch._utils._rebuild_parameter", PickleCallable.RebuildParameter),

        new("torch.FloatStorage", IsStorage: true, DType: Checkpoints.DType.F32),
        new("torch.DoubleStorage", IsStorage: true, DType: Checkpoints.DType.F64),
        new("torch.HalfStorage", IsStorage: true, DType: Checkpoints.DType.F16),
        new("torch.BFloat16Storage", IsStorage: true, DType: Checkpoints.DType.BF16),
        new("torch.LongStorage", IsStorage: true, DType: Checkpoints.DType.I64),
        new("torch.IntStorage", IsStorage: true, DType: Checkpoints.DType.I32),
        new("torch.ShortStorage", IsStorage: true, DType: Checkpoints.DType.I16),
        new("torch.CharStorage", IsStorage: true, DType: Checkpoints.DType.I8),
        new("torch.ByteStorage", IsStorage: true, DType: Checkpoints.DType.U8),
        new("torch.BoolStorage", IsStorage: true, DType: Checkpoints.DType.Bool),
        new("torch.ComplexFloatStorage", IsStorage: true, DType: Checkpoints.DType.C64),
        new("torch.storage.UntypedStorage", IsStorage: true),

        new("torch.float32", DType: Checkpoints.DType.F32),
        new("torch.float64", DType: Checkpoints.DType.F64),
        new("torch.float16", DType: Checkpoints.DType.F16),
        new("torch.bfloat16", DType: Checkpoints.DType.BF16),
        new("torch.int64", DType: Checkpoints.DType.I64),
        new("torch.int32", DType: Checkpoints.DType.I32),
        new("torch.int16", DType: Checkpoints.DType.I16),
        new("torch.int8", DType: Checkpoints.DType.I8),
        new("torch.uint8", DType: Checkpoints.DType.U8),
        new("torch.uint16", DType: Checkpoints.DType.U16),
        new("torch.uint32", DType: Checkpoints.DType.U32),
        new("torch.uint64", DType: Checkpoints.DType.U64),
        new("torch.bool", DType: Checkpoints.DType.Bool),
        new("torch.complex64", DType: Checkpoints.DType.C64),
        new("torch.float8_e4m3fn", DType: Checkpoints.DType.F8E4M3),
        new("torch.float8_e5m2", DType: Checkpoints.DType.F8E5M2),
        new("torch.float8_e8m0fnu", DType: Checkpoints.DType.F8E8M0),
    }.ToFrozenDictionary(g => g.Name, StringComparer.Ordinal);

    /// <summary>Every name a pickle may mention, for the documentation's test.</summary>
    public static IEnumerable<string> Names => Allowed.Keys;

    /// <summary>Finds an allowed name; anything else is null.</summary>
    public static PickleGlobal? Find(string module, string name) =>
        // A module that holds a dot too many ("torch", "_utils.x") must not meet an allowed name by being joined differently.
        name.Contains('.') ? null : Allowed.GetValueOrDefault($"{module}.{name}");
}
