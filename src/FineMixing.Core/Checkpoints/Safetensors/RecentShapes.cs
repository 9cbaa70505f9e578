using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace FineMixing.Checkpoints.Safetensors;

/// <summary>The last shapes that were met: a model's thousands of tensors have a handful, and share them.</summary>
internal sealed class RecentShapes
{
    private readonly ImmutableArray<long>[] _shapes = new ImmutableArray<long>[16];
    private int _next;

    public ImmutableArray<long> Get(ReadOnlySpan<long> dimensions)
    {
        foreach (var known in _shapes)
        {
            if (!known.IsDefault && known.AsSpan().SequenceEqual(dimensions))
                return known;
        }

        var shape = ImmutableCollectionsMarshal.AsImmutableArray(dimensions.ToArray());
        _shapes[_next++ % _shapes.Length] = shape;
        return shape;
    }
}
