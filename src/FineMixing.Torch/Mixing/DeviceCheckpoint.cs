using System.Diagnostics.CodeAnalysis;
using FineMixing.Checkpoints;
using FineMixing.Mixing;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>Shows tensors on a device as a checkpoint, so that plans, comparisons and checks work on them as on files.</summary>
internal sealed class DeviceCheckpoint : ICheckpoint
{
    private static readonly Dictionary<ScalarType, DType> Types = new()
    {
        [ScalarType.Float32] = DType.F32,
        [ScalarType.BFloat16] = DType.BF16,
        [ScalarType.Float16] = DType.F16,
        [ScalarType.Float64] = DType.F64,
        [ScalarType.Int64] = DType.I64,
        [ScalarType.Int32] = DType.I32,
        [ScalarType.Int16] = DType.I16,
        [ScalarType.Int8] = DType.I8,
        [ScalarType.Byte] = DType.U8,
        [ScalarType.Bool] = DType.Bool,
        [ScalarType.ComplexFloat32] = DType.C64,
    };

    private readonly IReadOnlyDictionary<string, Tensor> _tensors;
    private readonly Dictionary<string, TensorInfo> _infos = new(StringComparer.Ordinal);

    public DeviceCheckpoint(string location, IReadOnlyDictionary<string, Tensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors, location);
        (Location, _tensors) = (location, tensors);
        foreach (var (name, tensor) in tensors)
        {
            _infos.Add(name, Types.TryGetValue(tensor.dtype, out var dtype)
                ? new TensorInfo(name, dtype, [.. tensor.shape])
                : throw new ArgumentException($"Tensor '{name}' of the {location} is of type {tensor.dtype}, which checkpoints do not have."));
        }

        Tensors = [.. _infos.Values];
    }

    public string Location { get; }

    public IReadOnlyList<string> Files => [];

    public IReadOnlyList<TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public IEnumerable<string> Devices => _tensors.Values.Select(t => t.device.ToString());

    public Tensor this[TensorInfo info] => _tensors[info.Name];

    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => _infos.TryGetValue(name, out tensor);

    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        var size = tensor.DType.BitSize() / 8;
        using var part = OnHost(tensor, byteOffset / size, destination.Length / size);
        part.bytes.CopyTo(destination);
    }

    /// <summary>A copy of a run of elements in host memory.</summary>
    public MixSource Source(TensorInfo tensor, long start, long count)
    {
        var bytes = count * (tensor.DType.BitSize() / 8);
        if (bytes > Array.MaxLength)
            throw new NotSupportedException($"Tensor {tensor} passes through host memory in one piece; at most {Array.MaxLength} bytes can.");
        var copy = new byte[bytes];
        Read(tensor, start * (tensor.DType.BitSize() / 8), copy);
        return new MixSource(tensor.DType, copy);
    }

    public void Dispose()
    {
        // The tensors are their owner's.
    }

    private Tensor OnHost(TensorInfo tensor, long start, long count)
    {
        using var scope = NewDisposeScope();
        return this[tensor].detach().reshape(-1).narrow(0, start, count).cpu().clone().MoveToOuterDisposeScope();
    }
}
