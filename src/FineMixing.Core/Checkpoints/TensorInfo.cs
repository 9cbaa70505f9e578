using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace FineMixing.Checkpoints;

/// <summary>Name, element type and shape of one checkpoint tensor.</summary>
public sealed class TensorInfo
{
    /// <summary>Describes a tensor.</summary>
    /// <param name="name">The name in the state dict.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="shape">Sizes of the dimensions, outermost first; empty for a scalar.</param>
    /// <exception cref="ArgumentException">A dimension is negative, the size overflows, or the bits do not fill whole bytes.</exception>
    public TensorInfo(string name, DType dtype, ImmutableArray<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name = name;
        DType = dtype;
        Shape = shape.IsDefault ? [] : shape;
        ElementCount = CountElements(name, Shape);
        var bits = (decimal)ElementCount * dtype.BitSize();
        if (bits % 8 != 0 || bits / 8 > long.MaxValue)
            throw new ArgumentException($"Tensor '{name}': {ElementCount} elements of {dtype.SafetensorsName()} do not fill a whole, representable number of bytes.", nameof(shape));
        ByteLength = (long)(bits / 8);
    }

    /// <summary>The name in the state dict.</summary>
    public string Name { get; }

    /// <summary>The element type.</summary>
    public DType DType { get; }

    /// <summary>Sizes of the dimensions, outermost first; empty for a scalar.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>The product of the dimensions (1 for a scalar).</summary>
    public long ElementCount { get; }

    /// <summary>The size of the values in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>The shape as text, for example <c>[30522, 768]</c>.</summary>
    public string ShapeText => $"[{Join(", ", Shape)}]";

    /// <summary>The same tensor under another name.</summary>
    public TensorInfo WithName(string name) => new(name, DType, Shape);

    /// <summary>The same tensor with another element type.</summary>
    public TensorInfo WithDType(DType dtype) => new(Name, dtype, Shape);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {DType.SafetensorsName()} {ShapeText}";

    /// <summary>The dimensions as text.</summary>
    internal static string Join(string separator, ImmutableArray<long> shape)
    {
        var text = new StringBuilder();
        foreach (var dimension in shape.AsSpan())
            text.Append(text.Length == 0 ? "" : separator).Append(dimension.ToString(CultureInfo.InvariantCulture));
        return text.ToString();
    }

    private static long CountElements(string name, ImmutableArray<long> shape)
    {
        // Over a span: collections of numbers are not compiled ahead of time, and a short process would compile them for this.
        var dimensions = shape.AsSpan();
        foreach (var dimension in dimensions)
        {
            if (dimension == 0)
                return 0;
        }

        long count = 1;
        foreach (var dimension in dimensions)
        {
            if (dimension < 0)
                throw new ArgumentException($"Tensor '{name}': negative dimension {dimension}.", nameof(shape));
            if (count > long.MaxValue / dimension)
                throw new ArgumentException($"Tensor '{name}': the number of elements of {Join("x", shape)} overflows.", nameof(shape));
            count *= dimension;
        }

        return count;
    }
}
