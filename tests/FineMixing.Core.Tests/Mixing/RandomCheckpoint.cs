using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;
using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

/// <summary>A checkpoint of any size whose bytes are calculated when they are read: finite bfloat16 numbers.</summary>
internal sealed class RandomCheckpoint(ulong seed, IReadOnlyList<TensorInfo> tensors) : ICheckpoint
{
    public string Location => "random weights";

    public IReadOnlyList<string> Files => [];

    public IReadOnlyList<TensorInfo> Tensors => tensors;

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = tensors.FirstOrDefault(t => t.Name == name);
        return tensor is not null;
    }

    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        var key = RandomMask.TensorKey(seed, tensor.Name);
        var words = MemoryMarshal.Cast<byte, ulong>(destination);
        for (var i = 0; i < words.Length; i++)
        {
            // The top bit of the exponent cleared: no infinity, no NaN.
            words[i] = MaskKernels.Word(key, (ulong)((byteOffset / 8) + i)) & 0xBFFF_BFFF_BFFF_BFFF;
        }
    }

    public void Dispose()
    {
    }
}
