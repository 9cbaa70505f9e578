using System.Collections.Concurrent;

namespace FineMixing.Mixing;

/// <summary>Arrays for calculations on whole tensors, used again for the next tensor of that size: a model has many of the same shape, and new memory is slow and piles up until it is collected.</summary>
internal sealed class ScratchArrays
{
    // 64 MB: larger ones, embeddings mostly, come once.
    private const int MostKept = 1 << 24;
    private readonly ConcurrentDictionary<int, ConcurrentBag<float[]>> _free = new();

    /// <summary>An array of exactly this length; what it holds is left over.</summary>
    public float[] Take(int length) => _free.TryGetValue(length, out var bag) && bag.TryTake(out var array) ? array : GC.AllocateUninitializedArray<float>(length);

    /// <summary>Gives an array back.</summary>
    public void Return(float[] array)
    {
        if (array.Length <= MostKept)
            _free.GetOrAdd(array.Length, _ => []).Add(array);
    }
}
