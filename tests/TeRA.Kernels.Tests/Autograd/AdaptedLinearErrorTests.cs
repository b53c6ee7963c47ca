using NUnit.Framework;
using TeRA.Kernels.Tests.Support;

namespace TeRA.Kernels.Tests.Autograd;

/// <summary>What layers refuse, in which words, and that nothing was written before.</summary>
internal sealed class AdaptedLinearErrorTests
{
    private static readonly LayerCase Problem = new("lora", new LowRankUpdate(6, 5, 2), 6, 5, new AdaptedLinearOptions(), true);
    private readonly NaiveDevice device = new();
    private LayerFixture fixture = null!;

    [SetUp]
    public void CreateLayer() => fixture = new LayerFixture(device, Problem, DType.Float32, 4);

    [TearDown]
    public void DisposeLayer()
    {
        Assert.That(LayerFixture.Read(fixture.Y), Is.All.NaN, "something was written although the call threw");
        fixture.Dispose();
    }

    [Test]
    public void Wrong_shapes_of_x_and_y()
    {
        Refused(() => fixture.Layer.Forward(fixture.Y, fixture.Y), "x", "Expected [tokens, 5] (leading dimensions are flattened), found float32[4, 6] on naive.");
        Refused(() => fixture.Layer.Forward(fixture.X, fixture.X), "y", "Expected [tokens, 6]");
        Refused(() => fixture.Layer.Forward(fixture.X, fixture.Y.Slice(0, 3, 6)), "y", "Expected [4, 6], as many tokens as x has, found float32[3, 6]");
        Refused(() => fixture.Layer.Forward(fixture.X.Slice(0), fixture.Y), "x", "Expected [tokens, 5]");
    }

    [Test]
    public void Wrong_dtype_and_device()
    {
        using Tensor half = device.Allocate(DType.BFloat16, 4, 5);
        Refused(() => fixture.Layer.Forward(half, fixture.Y), "x", "Expected float32, found bfloat16[4, 5] on naive. Convert it first.");
        using var other = new NaiveDevice();
        using Tensor elsewhere = other.Allocate(DType.Float32, 4, 5);
        Refused(() => fixture.Layer.Forward(elsewhere, fixture.Y), "x", "(this very device object)");
    }

    [Test]
    public void Overlapping_input_and_output()
    {
        using Tensor both = device.Allocate(DType.Float32, 44);
        Refused(() => fixture.Layer.Forward(both.Slice(0, 4, 5), both.Slice(19, 4, 6)), null, "y overlaps x in memory");
        Assert.That(() => fixture.Layer.Forward(both.Slice(0, 4, 5), both.Slice(20, 4, 6)), Throws.Nothing, "next to each other is fine");
        Refused(() => fixture.Layer.Merge(fixture.Weight), null, "into overlaps the layer's weight");
        fixture.Layer.Forward(fixture.X, both.Slice(20, 4, 6), fixture.Context);
        Refused(() => fixture.Layer.Backward(fixture.Context, fixture.X, fixture.OutputGradient, fixture.X), null, "dx overlaps x");
    }

    [Test]
    public void Overlapping_output_and_given_tensor()
    {
        var update = new VeraUpdate(6, 5, 3, FrozenBases.Given(DType.Float32, [3, 5], [6, 3]));
        using Tensor memory = device.Allocate(DType.Float32, 60), left = device.Allocate(DType.Float32, 6, 3);
        memory.Clear();
        Tensor given = memory.Slice(30, 3, 5);
        using var layer = new AdaptedLinear(device, fixture.Weight, null, update, given: new GivenTensors { Stored = [given, left] });
        using var context = new LayerContext();
        Refused(() => layer.Forward(fixture.X, memory.Slice(10, 4, 6), context), null, "y overlaps a tensor that the layer was given");
        layer.Forward(fixture.X, memory.Slice(0, 4, 6), context);
        Refused(() => layer.Backward(context, fixture.X, fixture.OutputGradient, memory.Slice(40, 4, 5)), null, "dx overlaps a tensor that the layer was given");
        Refused(() => layer.Merge(memory.Slice(15, 6, 5)), null, "into overlaps a tensor that the layer was given");
    }

    [Test]
    public void Backward_without_its_forward()
    {
        using var unused = new LayerContext();
        Assert.That(() => fixture.Layer.Backward(unused, fixture.X, fixture.OutputGradient, null),
            Throws.InvalidOperationException.With.Message.StartsWith("The context holds no forward of this layer."));
        using var other = new LayerFixture(device, Problem, DType.Float32, 4);
        other.Forward();
        Assert.That(() => fixture.Layer.Backward(other.Context, fixture.X, fixture.OutputGradient, null), Throws.InvalidOperationException);
    }

    [Test]
    public void Backward_with_another_number_of_tokens()
    {
        using Tensor y = device.Allocate(DType.Float32, 4, 6);
        fixture.Layer.Forward(fixture.X, y, fixture.Context);
        Refused(() => fixture.Layer.Backward(fixture.Context, fixture.X.Slice(0, 3, 5), fixture.OutputGradient, null), "x", "Expected the forward's input of 4 tokens");
        Refused(() => fixture.Layer.Backward(fixture.Context, fixture.X, y.Slice(0, 3, 6), null), "dy", "Expected [4, 6]");
        Refused(() => fixture.Layer.Backward(fixture.Context, fixture.X, y, y), "dx", "Expected [tokens, 5]");
    }

    [Test]
    public void Layers_that_do_not_fit_together()
    {
        Refused(() => _ = new AdaptedLinear(device, fixture.Weight, null, new LowRankUpdate(5, 6, 2)), "update", "is 5×6, the weight 6×5");
        Refused(() => _ = new AdaptedLinear(device, fixture.X.Slice(0, 20), null, null), "weight", "Expected [out features, in features]");
        Refused(() => _ = new AdaptedLinear(device, fixture.Weight, fixture.X.Slice(0, 5), null), "bias", "Expected [6], one number for each row of the weight");
        Refused(() => _ = new AdaptedLinear(device, fixture.Weight, null, Problem.Update, new AdaptedLinearOptions { Path = ExecutionPath.Plain }), "options", "for layers without an update");
        Refused(() => fixture.Layer.Merge(fixture.X), "into", "Expected shape [6, 5], found float32[4, 5]");
    }

    [Test]
    public void Choices_that_do_not_exist()
    {
        AdaptedLinear Layer(WeightUpdate? update, AdaptedLinearOptions options) => new(device, fixture.Weight, null, update, options);
        Refused(() => Layer(Problem.Update, new AdaptedLinearOptions { Path = (ExecutionPath)77 }), "options", "Path: expected one of Auto, Merged, Factored, Plain, found 77.");
        Refused(() => Layer(Problem.Update, new AdaptedLinearOptions { BackwardPath = (ExecutionPath)77 }), "options", "BackwardPath: expected one of");
        Refused(() => Layer(Problem.Update, new AdaptedLinearOptions { WeightPolicy = (WeightPolicy)77 }), "options", "WeightPolicy: expected one of Rebuild, Keep, found 77.");
        Refused(() => Layer(Problem.Update, new AdaptedLinearOptions { Contractions = (ContractionPolicy)77 }), "options", "Contractions: expected one of KeepNarrow, Keep, Recompute, found 77.");
        Refused(() => Layer(null, new AdaptedLinearOptions { Path = (ExecutionPath)77 }), "options", "found 77");
    }

    [Test]
    public void Operators_without_rules()
    {
        var tera = new TeraUpdate([6], [2], [5], [3]);
        var mixed = new AnyUpdate(tera.Left, tera.Core, new RandomOperator(3, 5, default, 9), tera.Trained);
        Assert.That(() => new AdaptedLinear(device, fixture.Weight, null, mixed), Throws.TypeOf<NotSupportedException>().With.Message.Contains("Kronecker sides come in pairs"));
        var nothing = new AnyUpdate(new IdentityOperator(5), new IdentityOperator(5), new IdentityOperator(5), []);
        using Tensor square = device.Allocate(DType.Float32, 5, 5);
        Assert.That(() => new AdaptedLinear(device, square, null, nothing), Throws.TypeOf<NotSupportedException>().With.Message.Contains("is the identity"));
    }

    [Test]
    public void Disposed_objects()
    {
        var layer = new AdaptedLinear(device, fixture.Weight, null, Problem.Update);
        layer.Dispose();
        layer.Dispose();
        Assert.That(() => layer.Forward(fixture.X, fixture.Y), Throws.TypeOf<ObjectDisposedException>());
        var context = new LayerContext();
        context.Dispose();
        context.Dispose();
        Assert.That(() => fixture.Layer.Forward(fixture.X, fixture.Y, context), Throws.TypeOf<ObjectDisposedException>());
        using Tensor gone = device.Allocate(DType.Float32, 4, 5);
        gone.Dispose();
        Assert.That(() => fixture.Layer.Forward(gone, fixture.Y), Throws.TypeOf<ObjectDisposedException>());
    }

    private static void Refused(Action call, string? argument, string words)
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>(call)!;
        Assert.That(refusal.Message, Does.Contain(words));
        Assert.That(refusal.ParamName, argument is null ? Is.Not.Null : Is.EqualTo(argument));
    }
}
