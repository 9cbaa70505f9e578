using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

/// <summary>State dicts for tests, and their comparison.</summary>
internal static class StateDicts
{
    /// <summary>Tensors of the given types and shapes with arbitrary bytes.</summary>
    public static StateDict Random(int seed, params TensorInfo[] tensors)
    {
        var random = new Random(seed);
        var result = new StateDict();
        foreach (var info in tensors)
        {
            var bytes = new byte[info.ByteLength];
            random.NextBytes(bytes);
            result.Add(new HostTensor(info, bytes));
        }

        return result;
    }

    /// <summary>Same names, types, shapes and bytes, in any order.</summary>
    public static void AssertEqual(ICheckpoint expected, ICheckpoint actual)
    {
        Assert.Equal(expected.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal), actual.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal));
        foreach (var tensor in expected.Tensors)
        {
            Assert.True(actual.TryGetTensor(tensor.Name, out var other));
            Assert.True(Bytes(expected, tensor).AsSpan().SequenceEqual(Bytes(actual, other)), $"'{tensor.Name}' has other bytes");
        }
    }

    public static byte[] Bytes(ICheckpoint checkpoint, TensorInfo tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        checkpoint.Read(tensor, 0, bytes);
        return bytes;
    }
}
